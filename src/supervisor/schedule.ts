/** A section's `schedule` without a queue: runs its default task at those times of the wall clock. */

import type { Logger } from 'pino';
import { nextTime } from '../config/cron.ts';

export interface ScheduleOptions {
  /** A cron expression. */
  readonly pattern: string;
  /** Default: that of the machine. */
  readonly timezone: string | undefined;
  readonly logger: Logger;
  /** Runs the task; resolves when it is over. */
  readonly run: () => Promise<unknown>;
  /** Ms since 1970, as the wall clock says. */
  readonly now: () => number;
}

/** A clock that is set back by less is being corrected, ms: what has run by then does not run again. */
const correction = 3_600_000;

export class Schedule {
  readonly pattern: string;
  readonly timezone: string | undefined;
  readonly #options: ScheduleOptions;
  /** Undefined where there is none. */
  #next: number | undefined;
  #lastFired = Number.NEGATIVE_INFINITY;
  #lastLook: number;
  #running: { readonly since: number } | undefined;

  constructor(options: ScheduleOptions) {
    this.pattern = options.pattern;
    this.timezone = options.timezone;
    this.#options = options;
    this.#lastLook = options.now();
    this.#next = this.#after(this.#lastLook);
  }

  /** When it is due; undefined where it never is again. */
  get next(): Date | undefined {
    return this.#next === undefined ? undefined : new Date(this.#next);
  }

  /** To be called often. What was missed meanwhile, however often, runs once. */
  tick(): void {
    const now = this.#options.now();
    if (now < this.#lastLook) this.#setBack(now);
    this.#lastLook = now;
    if (this.#next === undefined || now < this.#next) return;
    this.#lastFired = this.#next;
    this.#next = this.#after(now);
    this.#fire(now);
  }

  /** The clock was: what is due is due earlier than it seemed. */
  #setBack(now: number): void {
    const isCorrection = this.#lastFired - now < correction;
    this.#next = this.#after(isCorrection ? Math.max(now, this.#lastFired) : now);
  }

  #after(time: number): number | undefined {
    return nextTime(this.pattern, this.timezone, new Date(time))?.getTime();
  }

  #fire(now: number): void {
    const { logger, run } = this.#options;
    if (this.#running) {
      const since = new Date(this.#running.since).toISOString();
      logger.warn(`schedule: skipped, the run of ${since} is not over`);
      return;
    }
    this.#running = { since: now };
    const begun = performance.now();
    run()
      .then(
        () => logger.debug(`schedule: done in ${Math.round(performance.now() - begun)} ms`),
        (error: unknown) => logger.error({ err: error }, 'schedule: the run failed'),
      )
      .finally(() => {
        this.#running = undefined;
      });
  }
}
