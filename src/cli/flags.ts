/** Flags that several commands have. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Kind, ValueError } from '../config/kinds/kind.ts';

/** Of a command that reads the configuration as `ph run` does. */
export function addConfigurationFlags(command: Command): Command {
  return command
    .argument('[file]', 'task module; without it, the sections of the configuration that have a task')
    .option('-c, --config <file>', 'configuration (default: the nearest ph.ini from here upwards)')
    .option('-s, --section <name>', 'section to use; may be given several times', collect)
    .option('-w, --workers <n>', 'worker processes per section, or auto')
    .option('-t, --threads <n>', 'threads per worker process, or auto; 0: none')
    .option(
      '-b, --bind <address>',
      'host:port, [v6]:port, unix:path or fd://N; may be given several times',
      collect,
    )
    .option('--set <key=value>', 'any key of ph.ini; may be given several times', collectPair)
    .addOption(new Option('--log-format <format>', 'of the log').choices(['auto', 'pretty', 'json']));
}

/** An option whose value is one of a kind of `ph.ini`. */
export function parsedOption<T>(flags: string, description: string, kind: Kind<T>): Option {
  return new Option(flags, description).argParser(text => {
    try {
      return kind.parse(text, process.cwd());
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      throw new InvalidArgumentError(`${error.message}.`.replace('e', 'E'));
    }
  });
}

export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

function collectPair(text: string, previous: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const [, key, value] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('It has the form key=value.');
  return new Map([...previous, [key.toLowerCase(), value]]);
}
