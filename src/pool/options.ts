/** The options of `createPool()` → the configuration of the pool's group, or everything that is wrong with them. */

import { getPriority } from 'node:os';
import { parse } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ResourceLimits } from 'node:worker_threads';
import { checkSection } from '../config/checks.ts';
import { availableCores } from '../config/cores.ts';
import { builtInLayer, type Origin, type Value } from '../config/layers.ts';
import { checkPaths } from '../config/paths.ts';
import { type TypedSection, typeSection } from '../config/section.ts';
import { suggest, suggestKey } from '../config/suggest.ts';
import type { SectionConfig } from '../config/types.ts';
import { ConfigError, type Problem } from '../errors.ts';
import { findOption, OPTIONS, optionOfKey } from './option-definitions.ts';
import { unknownName } from './option-objects.ts';
import type { PoolOptions } from './pool-options.ts';
import { shown } from './shown.ts';

export type { PoolOptions } from './pool-options.ts';

export interface ResolvedPoolOptions {
  /** The pool as a section. Its `maxQueue` is 0: the pool's queue is the only one. */
  readonly config: SectionConfig;
  /** `Infinity`: no limit; 0: no task may wait. */
  readonly maxQueue: number;
  readonly retries: number;
  /** What the worker processes begin with; a copy. */
  readonly env: NodeJS.ProcessEnv;
  readonly workerData: unknown;
  readonly resourceLimits: ResourceLimits | undefined;
  /** Where what the worker processes print goes. Default: the same stream of this process. */
  readonly output?: { readonly stdout: Writable; readonly stderr: Writable };
}

const ORIGIN: Origin = { file: 'createPool' };
const WEAKEST_PRIORITY = 19;

/** Names that are options elsewhere, and that resemble none of ours or the wrong one. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ['filename', 'the task module is the first argument of createPool()'],
  ['name', 'name the task in run(payload, { name }), and the worker processes with procName'],
  ['timeout', 'did you mean `taskTimeout`, or `heartbeatTimeout`?'],
  ['closeTimeout', 'did you mean `gracefulTimeout`?'],
]);

/**
 * @param filename the task module: a path, which counts from the current directory, or a `file:` URL
 * @param cores that `'auto'` counts
 * @throws {ConfigError} with everything that is wrong.
 */
export function resolvePoolOptions(
  filename: string | URL,
  options: PoolOptions,
  cores = availableCores(),
): ResolvedPoolOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new ConfigError([problem('options', `expected an object, not ${shown(options)}`)]);
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const problems = given.flatMap(([name, value]) => problemsOf(name, value));
  const task = modulePath(filename);
  if (task === undefined)
    problems.push(problem('filename', `expected a path or a file: URL, not ${shown(filename)}`));

  const failed = new Set(problems.map(({ key }) => key));
  const section = typeOptions(task, given, failed, cores);
  const nameOf = (key: string) => optionNamed(key, given);
  const ofSection = [...section.problems, ...checkSection(section, nameOf), ...checkPaths(section)];
  problems.push(
    ...ofSection.map(found => (found.key === undefined ? found : { ...found, key: nameOf(found.key) })),
  );
  problems.push(...conflicts(options, section));
  if (problems.length > 0) throw new ConfigError(problems);

  const { maxQueue, retries = 0, env = process.env, workerData, resourceLimits, niceIncrement = 0 } = options;
  const config = { ...(section.config as SectionConfig), maxQueue: 0, nice: niceOf(niceIncrement) };
  return {
    config,
    maxQueue: queueLimit(maxQueue, config),
    retries,
    env: { ...env },
    workerData,
    resourceLimits,
  };
}

type Given = readonly (readonly [name: string, value: unknown])[];

function problem(key: string, message: string, code = 'PH_ERR_CONFIG_VALUE'): Problem {
  return { ...ORIGIN, key, code, message };
}

function problemsOf(name: string, value: unknown): Problem[] {
  const definition = findOption(name);
  if (definition !== undefined) return definition.problems(value).map(message => problem(name, message));
  const hint = HINTS.get(name);
  const message = hint === undefined ? unknownName('option', meantOption(name)) : `unknown option; ${hint}`;
  return [problem(name, message, 'PH_ERR_CONFIG_UNKNOWN_KEY')];
}

function meantOption(name: string): string | undefined {
  const key = suggestKey(name);
  return suggest(name, Object.keys(OPTIONS)) ?? (key === undefined ? undefined : optionOfKey(key));
}

/** Absolute, or as it was given; undefined: neither a path nor the URL of one. */
function modulePath(filename: unknown): string | undefined {
  if (typeof filename === 'string' && !filename.startsWith('file:')) return filename || undefined;
  try {
    return fileURLToPath(filename as string | URL);
  } catch {
    return undefined;
  }
}

/** The options as a section whose values nobody has written in a file. */
function typeOptions(
  task: string | undefined,
  given: Given,
  failed: ReadonlySet<string | undefined>,
  cores: number,
): TypedSection {
  const directory = process.cwd();
  const values = new Map<string, Value>(builtInLayer(directory));
  const failedKeys = new Set<string>();
  const set = (key: string, text: string | undefined) => {
    if (text === undefined) failedKeys.add(key);
    else values.set(key, { text, literal: true, origin: ORIGIN, directory });
  };
  set('task', task);
  for (const [name, value] of given) {
    const definition = findOption(name);
    if (definition?.key !== undefined)
      set(definition.key, failed.has(name) ? undefined : definition.write?.(value));
  }
  const name = values.get('proc_name')?.text ?? parse(task ?? '').name;
  return typeSection({ name, values, failed: failedKeys, problems: [] }, cores);
}

/** What the caller calls a key. */
function optionNamed(key: string, given: Given): string {
  if (key === 'task') return 'filename';
  return given.find(([name]) => findOption(name)?.key === key)?.[0] ?? optionOfKey(key) ?? key;
}

/** Options that say the same twice, and differently. */
function conflicts(options: PoolOptions, { config, failed }: TypedSection): Problem[] {
  const { threads, maxThreads, resourceLimits } = options;
  const problems: Problem[] = [];
  if (threads !== undefined && maxThreads !== undefined && threads !== maxThreads && !failed.has('threads')) {
    const message = `is another name for threads, and the two differ: ${maxThreads}, ${threads}`;
    problems.push(problem('maxThreads', message));
  }
  if (config.maxThreadMemory && resourceLimits?.maxOldGenerationSizeMb !== undefined) {
    const message = 'maxOldGenerationSizeMb is the same limit as maxThreadMemory: give one of them';
    problems.push(problem('resourceLimits', message));
  }
  return problems;
}

function queueLimit(given: PoolOptions['maxQueue'], { numberWorkers, threads }: SectionConfig): number {
  return given === 'auto' ? (numberWorkers * threads) ** 2 : (given ?? Number.POSITIVE_INFINITY);
}

function niceOf(increment: number): number | undefined {
  return increment === 0 ? undefined : Math.min(WEAKEST_PRIORITY, getPriority() + increment);
}
