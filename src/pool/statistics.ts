/** What a pool counts and measures. */

import { Times } from './times.ts';

export class Statistics {
  readonly #startedAt = performance.now();
  readonly waitTimes = new Times();
  readonly runTimes = new Times();
  /** Tasks with a result. */
  completed = 0;
  /** Tasks with an error. */
  failed = 0;
  /** How often a task was run again. */
  retried = 0;

  /** Ms since the pool was made. */
  get duration(): number {
    return performance.now() - this.#startedAt;
  }

  /** Which part of the time that `slots` tasks at a time would have had was spent in tasks, 0 to 1. */
  utilization(slots: number): number {
    return this.runTimes.total / (this.duration * slots);
  }

  record(waitTime: number, runTime: number): void {
    this.waitTimes.record(waitTime);
    this.runTimes.record(runTime);
  }
}
