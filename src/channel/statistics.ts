/** What a worker process counts of itself, and says with every heartbeat: since it began, so that counts only grow. */

import type { Load } from '../load-meter.ts';

/**
 * How tasks end; `timed-out` by `task_timeout`, or by `queue_timeout` before they began, `cancelled` by whoever asked
 * for them, `lost` with their thread.
 */
export const outcomes = ['done', 'failed', 'timed-out', 'cancelled', 'lost'] as const;

export type Outcome = (typeof outcomes)[number];

/** Upper bounds of the buckets of a `TimeHistogram`, ms; one more bucket takes what is above the last. */
export const timeBuckets = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000,
] as const;

export interface TimeHistogram {
  /** How many were in each bucket, and in no lower one. */
  readonly counts: readonly number[];
  /** Of all, ms. */
  readonly sum: number;
}

export interface RpcCount {
  readonly method: string;
  /** `ok`, or the code of the error that was answered. */
  readonly code: string;
  readonly count: number;
}

export interface Statistics extends Load {
  readonly tasks: Readonly<Record<Outcome, number>>;
  readonly runTime: TimeHistogram;
  /** From when the process had the task until a thread began it. */
  readonly waitTime: TimeHistogram;
  /** Run times of the tasks that ended lately, ms; 0 where none did. */
  readonly recent: { readonly p50: number; readonly p95: number };
  readonly rpc: readonly RpcCount[];
  /** Connections that `Worker.serve()` has accepted. */
  readonly accepted: number;
}
