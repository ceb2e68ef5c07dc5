/** Parses the command line and hands over to a command. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { ExitCode } from '../errors.ts';
import { packageVersion } from '../version.ts';
import type { ConfigurationOptions } from './configuration.ts';
import { explain } from './explain.ts';

/** What a command does once its words are understood; its module is loaded only then. */
type Action<Options> = (file: string | undefined, options: Options) => Promise<ExitCode>;

function program(): Command {
  const ph = new Command('ph')
    .description('Keeps worker processes alive, each with a pool of threads for CPU tasks.')
    .version(packageVersion)
    .enablePositionalOptions()
    .showHelpAfterError('(ph --help, or ph COMMAND --help, shows what there is)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 usage or configuration, 3 not running, 4 already running, 5 no worker could boot.',
    );

  addCommand(ph, 'run', 'start worker processes and keep them alive', async (file, options) =>
    (await import('./commands/run.ts')).run(file, options),
  )
    .option('-d, --daemon', 'go to the background; returns when the workers are ready')
    .option('--no-daemon', 'stay in the foreground, whatever ph.ini says')
    .option('--watch', 'restart the workers when a task module, or a file that it imports, changes')
    .addHelpText(
      'after',
      `
Examples:
  $ ph run tasks/jobexecute.ts                 run one task module
  $ ph run tasks/jobexecute.ts -w 2 -t 4       with 2 worker processes of 4 threads each
  $ ph run                                     run every section of ph.ini that has a task
  $ ph run -s images -s mail -c /etc/ph.ini    run two of them
  $ ph run -d --set log_file=ph.log            in the background
  $ ph run tasks/web.ts -b 127.0.0.1:8080      with an address on which its workers accept
  $ ph run tasks/jobexecute.ts --watch         restart when the code changes`,
    );

  addCommand(
    ph,
    'check',
    'load the configuration and the task modules, and say what is wrong with them',
    async (file, options) => (await import('./commands/check.ts')).check(file, options),
  )
    .option('--json', 'print {"sections", "problems", "notes"}')
    .addHelpText(
      'after',
      `
Examples:
  $ ph check                          every section of the nearest ph.ini
  $ ph check -s images                one of them
  $ ph check tasks/jobexecute.ts      one task module
  $ ph check --json | jq .problems    for a program`,
    );
  return ph;
}

/** A command that reads the configuration, with the flags that all of those share. */
function addCommand<Options extends ConfigurationOptions>(
  ph: Command,
  name: string,
  description: string,
  action: Action<Options>,
) {
  return ph
    .command(name)
    .description(description)
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
    .addOption(new Option('--log-format <format>', 'of the log').choices(['auto', 'pretty', 'json']))
    .action(async (file: string | undefined, options: Options) => {
      process.exitCode = await action(file, options);
    });
}

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

function collectPair(text: string, previous: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const [, key, value] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('It has the form key=value.');
  return new Map([...previous, [key.toLowerCase(), value]]);
}

/** Does what the command line says, and sets `process.exitCode`. */
export async function runProgram(): Promise<void> {
  try {
    await program().parseAsync();
  } catch (error) {
    // Commander has printed its own already.
    if (error instanceof CommanderError)
      process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
    else process.exitCode = explain(error);
  }
}
