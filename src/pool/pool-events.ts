/** What a pool tells of itself. */

import type { TaskInfo } from '../errors.ts';
import type { ExitKind } from '../group/exit-reason.ts';
import type { GroupState } from '../group/group.ts';
import type { WorkerState } from '../group/worker-process.ts';
import type { TimeSummary } from './times.ts';

export interface ProcessInfo {
  readonly pid: number | undefined;
  /** 1…`processes`; a replacement has the index of what it replaces. */
  readonly index: number;
  readonly generation: number;
}

export interface ProcessExit extends ProcessInfo {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly kind: ExitKind;
  /** For people: `killed by SIGSEGV`. */
  readonly reason: string;
}

export interface PoolEvents {
  /** A worker process takes tasks from now on. */
  'process:ready': [process: ProcessInfo];
  'process:exit': [process: ProcessExit];
  /** A task has failed; whoever called it gets the same error. */
  'task:error': [error: unknown, task: TaskInfo];
  /** After `needsDrain`: a thread has no work. */
  drain: [];
  /** What a thread threw outside of any task, or that no process can be started. Unheard, it becomes a warning. */
  error: [error: Error];
}

export interface ProcessStats {
  readonly index: number;
  readonly pid: number | undefined;
  readonly state: WorkerState;
  /** Ms since it was ready. */
  readonly uptime: number;
  /** Tasks that it has been sent and has not answered. */
  readonly outstanding: number;
  readonly completed: number;
  /** Bytes, as it said last; 0 before. */
  readonly rss: number;
}

export interface PoolStats {
  readonly state: GroupState | 'closing' | 'closed';
  /** Tasks that wait for a thread. */
  readonly queueSize: number;
  /** Tasks that have not settled: waiting and running. */
  readonly pending: number;
  /** Tasks with a result. */
  readonly completed: number;
  /** Tasks with an error. */
  readonly failed: number;
  /** How often a task was run again. */
  readonly retried: number;
  /** Worker processes that ended by a failure. */
  readonly crashes: number;
  /** Which part of the time that all threads had was spent in tasks, 0 to 1. */
  readonly utilization: number;
  /** Ms since the pool was made. */
  readonly duration: number;
  readonly waitTime: TimeSummary;
  readonly runTime: TimeSummary;
  /** Those that leave come last. */
  readonly processes: readonly ProcessStats[];
}
