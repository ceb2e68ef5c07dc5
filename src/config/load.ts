/** `ph.ini`, environment and command line → typed sections, or everything that is wrong with them. */

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { basename, dirname, extname } from 'node:path';
import { ConfigError, type Problem } from '../errors.ts';
import { checkAddresses, checkAgreement, checkSection } from './checks.ts';
import { defaultControlSocket } from './control-socket.ts';
import { availableCores } from './cores.ts';
import { DEFAULT_SECTION, type ParsedIni, parseIni } from './ini.ts';
import { camelCase, KEYS } from './keys.ts';
import { layers } from './layers.ts';
import { notesOf } from './notes.ts';
import { checkPaths } from './paths.ts';
import { tidyProblems } from './problems.ts';
import {
  misspeltKeys,
  type ResolvedSection,
  resolveSection,
  type TypedSection,
  textsOf,
  typeSection,
} from './section.ts';
import type { Configuration, SectionConfig, SupervisorConfig } from './types.ts';

export type { Configuration, SectionConfig, SupervisorConfig } from './types.ts';

export interface LoadOptions {
  /** Absolute path of ph.ini; undefined: built-in defaults only. */
  readonly file?: string | undefined;
  /** Paths of the command line and of PH_ variables count from here, and all others where there is no file. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  /** Key → text of the command line, the strongest layer; paths count from `directory`. */
  readonly overrides?: ReadonlyMap<string, string> | undefined;
  /** Only these sections. Default: each section that has a `task`. */
  readonly sections?: readonly string[] | undefined;
  /**
   * `ph run FILE`: the task module. It runs in `sections`, by default in the one of its base name, which need not be
   * in the file.
   */
  readonly task?: string | undefined;
  /** Default: `availableCores()`. */
  readonly cores?: number | undefined;
}

export interface ReadResult {
  /**
   * By section and key, what has been set in [DEFAULT], section, environment and overrides, with references resolved.
   * Holds the chosen sections, by default all of the file. A key whose references cannot be resolved is not there.
   */
  readonly texts: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** The sections to run, as far as each key of theirs can be read. */
  readonly typed: readonly TypedSection[];
  /** All that is wrong with the chosen sections. References are checked in all sections where none was chosen. */
  readonly problems: readonly Problem[];
  /** What is no error and yet worth knowing. */
  readonly notes: readonly Problem[];
  /** undefined: there are problems. */
  readonly configuration: Configuration | undefined;
}

/** Reads a configuration without ever throwing for what is in it. */
export function readConfiguration(options: LoadOptions): ReadResult {
  const read = readIni(options.file);
  if ('code' in read)
    return { texts: new Map(), typed: [], problems: [read], notes: [], configuration: undefined };

  const problems: Problem[] = [...read.problems];
  const present = [...read.sections.keys()].filter(name => name !== DEFAULT_SECTION);
  const own = options.task === undefined ? [] : [basename(options.task, extname(options.task))];
  const asked = options.sections?.length ? options.sections : own;
  const chosen = new Set(asked);

  const valuesOf = layers(read, options);
  const known = options.sections?.length ? present : [...new Set([...present, ...own])];
  const resolved = known.map(name => resolveSection(name, valuesOf(name), options.env));
  const selected = resolved.filter(section =>
    chosen.size > 0 ? chosen.has(section.name) : hasTask(section),
  );

  problems.push(...(chosen.size > 0 ? selected : resolved).flatMap(section => section.problems));
  problems.push(...(selected.length > 0 ? selected : resolved).flatMap(misspeltKeys));
  problems.push(...missingSections(chosen, present, known, options));
  // A line that could not be read may have held the task.
  if (read.problems.length === 0) problems.push(...missingTasks(selected, chosen, present, options));

  const cores = options.cores ?? availableCores();
  const typed = selected.map(section => typeSection(section, cores));
  problems.push(
    ...typed.flatMap(section => [...section.problems, ...checkSection(section), ...checkPaths(section)]),
  );
  problems.push(...checkAgreement(typed), ...checkAddresses(typed));
  return {
    texts: new Map((chosen.size > 0 ? selected : resolved).map(section => [section.name, textsOf(section)])),
    typed,
    problems: tidyProblems(problems),
    // With a key that cannot be read, what follows from several is not known.
    notes: problems.length > 0 ? [] : tidyProblems(notesOf(typed)),
    configuration: problems.length > 0 ? undefined : assemble(typed, options),
  };
}

/**
 * Reads a configuration.
 *
 * @throws {ConfigError} with everything that is wrong with it.
 */
export function loadConfiguration(options: LoadOptions): Configuration {
  const { configuration, problems } = readConfiguration(options);
  if (configuration === undefined) throw new ConfigError(problems);
  return configuration;
}

function readIni(file: string | undefined): ParsedIni | Problem {
  if (file === undefined) return { sections: new Map(), problems: [] };
  const unusable = (message: string): Problem => ({ file, code: 'PH_ERR_CONFIG_FILE', message });
  try {
    const content = readFileSync(file);
    return isUtf8(content) ? parseIni(content.toString('utf8'), file) : unusable('is not UTF-8 text');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return unusable('does not exist');
    if (code === 'EISDIR') return unusable('is a directory');
    return unusable(`cannot be read: ${message}`);
  }
}

function hasTask({ values, failed }: ResolvedSection): boolean {
  return failed.has('task') || Boolean(values.get('task')?.text);
}

function missingSections(
  chosen: ReadonlySet<string>,
  present: readonly string[],
  known: readonly string[],
  { file, directory }: LoadOptions,
): Problem[] {
  const there = present.length === 0 ? 'there are none' : `there are: ${present.join(', ')}`;
  return [...chosen]
    .filter(name => !known.includes(name))
    .map(section => ({
      file: file ?? directory,
      section,
      code: 'PH_ERR_CONFIG_SECTION',
      message: file === undefined ? 'no such section: there is no ph.ini' : `no such section; ${there}`,
    }));
}

function missingTasks(
  selected: readonly ResolvedSection[],
  chosen: ReadonlySet<string>,
  present: readonly string[],
  { file, directory }: LoadOptions,
): Problem[] {
  const code = 'PH_ERR_CONFIG_NO_TASK';
  if (chosen.size > 0) {
    return selected
      .filter(section => !hasTask(section))
      .map(({ name }) => ({
        file: file ?? directory,
        section: name,
        code,
        message: 'has no task: add task = FILE',
      }));
  }
  if (selected.length > 0) return [];
  if (file === undefined) {
    const message =
      'nothing to run: start a task module with ph run FILE, or write a ph.ini with a task in a section';
    return [{ file: directory, code, message }];
  }
  const message =
    present.length === 0
      ? 'there is no section; write [name] and below it task = FILE'
      : `no section has a task: add task = FILE to one of ${present.join(', ')}, or start one with ph run FILE`;
  return [{ file, code, message }];
}

function assemble(typed: readonly TypedSection[], options: LoadOptions): Configuration {
  const { file, directory } = options;
  const configs = typed.map(section => section.config as SectionConfig);
  const [first] = configs;
  const wide = KEYS.filter(({ scope }) => scope === 'supervisor').map(
    ({ name }) => camelCase(name) as keyof SectionConfig,
  );
  const pidfiles = configs.flatMap(({ pidfile }) => pidfile ?? []);
  return {
    file,
    directory: file === undefined ? directory : dirname(file),
    sections: new Map(configs.map(config => [config.name, config])),
    texts: new Map(typed.map(({ resolved }) => [resolved.name, textsOf(resolved)])),
    // The table says which keys these are, so that TypeScript cannot follow.
    supervisor: {
      ...Object.fromEntries(wide.map(key => [key, first?.[key]])),
      pidfiles: [...new Set(pidfiles)],
      controlSocket: first?.controlSocket ?? defaultControlSocket(pidfiles[0], options),
    } as unknown as SupervisorConfig,
    originOf: (section, key) =>
      typed.find(({ resolved }) => resolved.name === section)?.resolved.values.get(key)?.origin,
  };
}
