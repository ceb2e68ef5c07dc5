/** `ph check` */

import { formatSections } from '../../config/format.ts';
import { readConfiguration } from '../../config/load.ts';
import type { Configuration } from '../../config/types.ts';
import { ExitCode, formatProblem, type Problem } from '../../errors.ts';
import { checkTaskModule } from '../../group/check-task-module.ts';
import { type ConfigurationOptions, loadOptions } from '../configuration.ts';

export interface CheckFlags extends ConfigurationOptions {
  readonly json?: boolean;
}

/** The document of `ph check --json`. */
interface CheckReport {
  /** Resolved texts by section and key, before they are typed. */
  readonly sections: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly problems: readonly Problem[];
  /** What is no error and yet worth knowing. */
  readonly notes: readonly Problem[];
}

export async function check(file: string | undefined, flags: CheckFlags): Promise<ExitCode> {
  const options = loadOptions(file, flags);
  const { texts, problems, notes: configurationNotes, configuration } = readConfiguration(options);
  const modulesNotLoaded: Problem = {
    file: options.file ?? options.directory,
    code: 'PH_NOTE_NOT_LOADED',
    message: 'task modules are loaded once the configuration has no problem',
  };
  const all = [...problems, ...(configuration ? await checkTaskModules(configuration) : [])];
  const notes = configuration ? configurationNotes : [...configurationNotes, modulesNotLoaded];
  if (flags.json) {
    const report: CheckReport = { sections: plainObject(texts), problems: all, notes };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    for (const problem of all) process.stderr.write(`${formatProblem(problem)}\n`);
    for (const note of notes) process.stderr.write(`note: ${formatProblem(note)}\n`);
    if (all.length === 0) process.stdout.write(formatSections(texts));
  }
  return all.length === 0 ? ExitCode.done : ExitCode.usage;
}

/** Loads every module once, in a process of its own, as a worker would. */
async function checkTaskModules({ sections }: Configuration): Promise<Problem[]> {
  const found = await Promise.all([...sections.values()].map(checkTaskModule));
  return found.flatMap(problem => problem ?? []);
}

// Names like `__proto__` are names like any other.
function plainObject(texts: ReadonlyMap<string, ReadonlyMap<string, string>>): CheckReport['sections'] {
  const sections = Object.create(null);
  for (const [name, values] of texts)
    sections[name] = Object.assign(Object.create(null), Object.fromEntries(values));
  return sections;
}
