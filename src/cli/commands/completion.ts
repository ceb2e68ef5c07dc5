/** `ph completion`, and what the scripts that it prints ask while someone types. */

import type { Command } from 'commander';
import { readConfiguration } from '../../config/load.ts';
import { ExitCode } from '../../errors.ts';
import { complete } from '../completion/complete.ts';
import { type Shell, scripts } from '../completion/scripts.ts';
import { loadOptions } from '../configuration.ts';

export async function completion(shell: Shell): Promise<ExitCode> {
  process.stdout.write(scripts[shell]);
  return ExitCode.done;
}

/**
 * Prints `words` and then a word with its description on each line, or `files`, or `directories`.
 *
 * @param words those after `ph`, up to the one to complete
 */
export async function printCompletion(ph: Command, words: readonly string[]): Promise<ExitCode> {
  const found = complete(ph, words, findSections);
  const lines =
    found.type === 'words'
      ? found.candidates.map(({ value, description }) => `${value}\t${description}`)
      : [];
  process.stdout.write([found.type, ...lines, ''].join('\n'));
  return ExitCode.done;
}

/** Those that can run, also where something is wrong with the configuration. */
function findSections(config: string | undefined): string[] {
  const { texts } = readConfiguration(loadOptions(undefined, config === undefined ? {} : { config }));
  return [...texts].filter(([, keys]) => keys.has('task')).map(([name]) => name);
}
