/** What `createPool()` can be told. */

import type { ResourceLimits } from 'node:worker_threads';
import type { SectionConfig } from '../config/types.ts';

/**
 * Options of `createPool()`. Durations are milliseconds, sizes bytes or texts such as `'256M'`; `undefined` is as if
 * the option were not given. Most are keys of `ph.ini` with the same default and range, under the name that is given
 * here. Names that Piscina has mean what they mean there, for each worker process.
 */
export interface PoolOptions {
  /** Worker processes, 1 to 1024; `'auto'`: one per available core. Default: 1. `number_workers`. */
  readonly processes?: number | 'auto' | undefined;
  /**
   * Threads per worker process, 1 to 1024. Default: `'auto'`, available cores / `processes`, at least 1 and at least
   * `minThreads`. `threads`.
   */
  readonly threads?: number | 'auto' | undefined;
  /** Piscina's name for `threads`. */
  readonly maxThreads?: number | 'auto' | undefined;
  /**
   * Threads per worker process that are kept; more, up to `threads`, are started when tasks wait. Default: `threads`.
   * As in Piscina. `min_threads`.
   */
  readonly minThreads?: number | undefined;
  /**
   * How long a thread beyond `minThreads` stays idle before it ends, ms; `Infinity`: it stays. Default: 0. As in
   * Piscina. `idle_timeout`.
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Tasks that one thread runs at a time, 1 to 65536; more than 1 is for tasks that wait. Default: 1. As in Piscina.
   * `concurrent_tasks_per_worker`.
   */
  readonly concurrentTasksPerWorker?: number | undefined;
  /**
   * Tasks that may wait in the pool; 0: none may, `'auto'`: the square of the number of all its threads. Default:
   * `Infinity`. As in Piscina. `max_queue`, where 0 is any number.
   */
  readonly maxQueue?: number | 'auto' | undefined;
  /** How long one task may run, ms; 0 or `Infinity`: no limit. Default: 0. `task_timeout`. */
  readonly taskTimeout?: number | undefined;
  /**
   * How long a task that was aborted, or is over its time, may take to end before its thread is ended, ms. Default:
   * 500. `abort_grace`.
   */
  readonly abortGrace?: number | undefined;
  /** How long one task may wait before it runs, ms; 0 or `Infinity`: no limit. Default: 0. `queue_timeout`. */
  readonly queueTimeout?: number | undefined;
  /**
   * How often a task is run again when its worker process or thread ended under it; one that throws is not. Default:
   * 0, since a task may not be safe to repeat.
   */
  readonly retries?: number | undefined;
  /**
   * How long work in flight may take when the pool closes or a worker process is replaced, ms; then that process is
   * killed. Default: 30000. `graceful_timeout`.
   */
  readonly gracefulTimeout?: number | undefined;
  /**
   * A worker process whose main thread is silent that long is replaced, ms; 0 or `Infinity`: none is. Default: 30000.
   * `timeout`.
   */
  readonly heartbeatTimeout?: number | undefined;
  /**
   * A worker process that is not ready by then is killed and counts as failed, ms, above 0. Default: 60000.
   * `boot_timeout`.
   */
  readonly bootTimeout?: number | undefined;
  /** A worker process is replaced after that many tasks; 0 or `Infinity`: none is. Default: 0. `max_requests`. */
  readonly maxTasksPerProcess?: number | undefined;
  /**
   * Up to that many tasks are added to `maxTasksPerProcess` at random, so that processes are not replaced all at once.
   * Default: 0. `max_requests_jitter`.
   */
  readonly maxTasksPerProcessJitter?: number | undefined;
  /**
   * A worker process whose resident memory exceeds this is drained and replaced, bytes or a text, at least 1M; 0 or
   * `Infinity`: no limit. Default: 0. `max_memory`.
   */
  readonly maxMemory?: number | string | undefined;
  /**
   * Heap limit of each thread, bytes or a text, at least 16M; 0 or `Infinity`: what Node chooses. Default: 0.
   * `max_thread_memory`.
   */
  readonly maxThreadMemory?: number | string | undefined;
  /** A worker process of that age is replaced, ms; 0 or `Infinity`: none is. Default: 0. `max_lifetime`. */
  readonly maxLifetime?: number | undefined;
  /**
   * Wait before a worker process is started again, from the second failure on, ms; doubles with each further one, with
   * jitter. Default: 100. `restart_delay`.
   */
  readonly restartDelay?: number | undefined;
  /**
   * The longest such wait, and the interval of attempts of a failed pool, ms, above 0. Default: 30000.
   * `restart_delay_max`.
   */
  readonly restartDelayMax?: number | undefined;
  /** More failures than that within `restartWindow`: the pool is failed. Default: 10. `max_restarts`. */
  readonly maxRestarts?: number | undefined;
  /** The sliding window in which failures are counted, ms, above 0. Default: 60000. `restart_window`. */
  readonly restartWindow?: number | undefined;
  /** How a TypeScript task module is loaded, as in `ph.ini`. Default: `'auto'`. `ts`. */
  readonly ts?: SectionConfig['ts'] | undefined;
  /** Name in the titles of the worker processes: `ph: name#1`. Default: the module's base name. `proc_name`. */
  readonly procName?: string | undefined;
  /**
   * What `workerData` of `node:worker_threads` is in the threads; any value that can be cloned. Default: none. As in
   * Piscina.
   */
  readonly workerData?: unknown;
  /**
   * The environment that the worker processes begin with. Default: a copy of the caller's `process.env`. As in Piscina,
   * but for `SHARE_ENV`, which processes cannot have.
   */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Limits of each thread, as `new Worker()` of `node:worker_threads` takes them. Default: none. As in Piscina. */
  readonly resourceLimits?: ResourceLimits | undefined;
  /**
   * Added to the caller's own scheduling priority for the worker processes; higher is weaker, 19 the weakest.
   * Default: 0. As in Piscina.
   */
  readonly niceIncrement?: number | undefined;
}
