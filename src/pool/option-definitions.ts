/** The options of `createPool()`: ranges and defaults are those of the keys of `ph.ini`. */

import { MAX_THREADS } from '../config/keys.ts';
import { integerOrAuto, MAX_DURATION } from '../config/kinds/scalars.ts';
import { type OptionDefinition, ofCount, ofKey } from './define-option.ts';
import { bytes, count, milliseconds, text, word } from './option-forms.ts';
import { environmentProblems, resourceLimitsProblems, workerDataProblems } from './option-objects.ts';
import type { PoolOptions } from './pool-options.ts';

const unlimited = new Map([[Number.POSITIVE_INFINITY, '0']]);
const longest = new Map([[Number.POSITIVE_INFINITY, `${MAX_DURATION}ms`]]);
// A pool without threads could run nothing.
const someThreads = integerOrAuto(1, MAX_THREADS);

export const OPTIONS = {
  processes: ofKey('number_workers', count),
  threads: ofKey('threads', count, {
    kind: someThreads,
    doc: 'Threads per worker process; `auto` is available cores / number_workers, at least 1 and at least min_threads.',
  }),
  maxThreads: ofKey('threads', count, {
    kind: someThreads,
    doc: 'Another name for threads.',
    default: 'threads',
    piscina: true,
  }),
  minThreads: ofKey('min_threads', count, { piscina: true }),
  idleTimeout: ofKey('idle_timeout', milliseconds, { also: longest, piscina: true }),
  concurrentTasksPerWorker: ofKey('concurrent_tasks_per_worker', count, { piscina: true }),
  maxQueue: ofKey('max_queue', count, {
    doc: 'Tasks that may wait in the pool; `auto` is the square of the number of all its threads, 0 lets none wait.',
    default: '`Infinity`',
    also: new Map<unknown, string>([['auto', '0'], ...unlimited]),
    piscina: true,
  }),
  taskTimeout: ofKey('task_timeout', milliseconds, { also: unlimited }),
  abortGrace: ofKey('abort_grace', milliseconds),
  queueTimeout: ofKey('queue_timeout', milliseconds, { also: unlimited }),
  retries: ofCount({
    doc: 'How often a task is run again when its worker process or thread ended under it; one that throws is not.',
    piscina: false,
  }),
  gracefulTimeout: ofKey('graceful_timeout', milliseconds, {
    doc: 'How long work in flight may take when the pool closes or a worker process is replaced; then that is killed.',
  }),
  heartbeatTimeout: ofKey('timeout', milliseconds, { also: unlimited }),
  bootTimeout: ofKey('boot_timeout', milliseconds),
  maxTasksPerProcess: ofKey('max_requests', count, {
    doc: 'A worker process is replaced after that many tasks; 0 is never.',
    also: unlimited,
  }),
  maxTasksPerProcessJitter: ofKey('max_requests_jitter', count, {
    doc: 'Up to that many tasks are added to max_requests at random, so that processes are not replaced all at once.',
  }),
  maxMemory: ofKey('max_memory', bytes, { also: unlimited }),
  maxThreadMemory: ofKey('max_thread_memory', bytes, { also: unlimited }),
  maxLifetime: ofKey('max_lifetime', milliseconds, { also: unlimited }),
  restartDelay: ofKey('restart_delay', milliseconds),
  restartDelayMax: ofKey('restart_delay_max', milliseconds),
  maxRestarts: ofKey('max_restarts', count),
  restartWindow: ofKey('restart_window', milliseconds),
  ts: ofKey('ts', word),
  procName: ofKey('proc_name', text, {
    doc: 'Name in the titles of the worker processes: `ph: name#1`.',
    default: "the module's base name",
  }),
  workerData: {
    accepts: 'any value that can be cloned',
    default: '–',
    doc: 'What `workerData` of `node:worker_threads` is in the threads.',
    piscina: true,
    problems: workerDataProblems,
  },
  env: {
    accepts: 'an object of texts',
    default: '`process.env`',
    doc: 'The environment that the worker processes begin with; `SHARE_ENV` is refused.',
    piscina: true,
    problems: environmentProblems,
  },
  resourceLimits: {
    accepts: 'an object of numbers',
    default: '–',
    doc: 'Limits of each thread, as `new Worker()` of `node:worker_threads` takes them.',
    piscina: true,
    problems: resourceLimitsProblems,
  },
  niceIncrement: ofCount({
    doc: "Added to the caller's own scheduling priority for the worker processes; higher is weaker.",
    piscina: true,
  }),
} satisfies { readonly [Name in keyof PoolOptions]-?: OptionDefinition };

const BY_NAME: ReadonlyMap<string, OptionDefinition> = new Map(Object.entries(OPTIONS));

/** undefined: there is no such option. */
export function findOption(name: string): OptionDefinition | undefined {
  return BY_NAME.get(name);
}

/** The option that a key is, of several the first; undefined: none. */
export function optionOfKey(key: string): string | undefined {
  return [...BY_NAME].find(([, definition]) => definition.key === key)?.[0];
}
