/** What the consumer of a queue needs of the threads. */

import type { JobNews } from '../worker/thread-protocol.ts';

/** A job on its way to a thread. */
export interface Job {
  readonly id: string;
  /** Of the function that runs it. */
  readonly name: string;
  /** 1 the first time. */
  readonly attempt: number;
  /** What the task says of it while it runs. */
  readonly onNews: (news: JobNews) => void;
}

export interface JobRun {
  /** Rejects with the task's own error, or with what kept it from ending. */
  readonly result: Promise<unknown>;
  /** Takes it out if no thread has begun it: `result` rejects with the reason then. */
  takeBack(reason: Error): void;
  /** Ends it, whether it has begun or not: `result` rejects with the reason, but where it has just come to its end. */
  abort(reason: Error): void;
}

export interface JobThreads {
  /** The names that a job may have. */
  readonly taskNames: readonly string[];
  /** Throws a `NoThreadsError` with `threads = 0`, an `UnknownTaskError` where the module exports none of that name. */
  runJob(payload: unknown, job: Job): JobRun;
}
