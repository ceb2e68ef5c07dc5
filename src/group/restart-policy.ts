/** When a worker process that ended by itself is started again. Pure: the caller brings the time. */

export interface RestartLimits {
  readonly restart: 'always' | 'on-failure' | 'never';
  /** Delay before the second restart in a row, ms; it doubles from there. */
  readonly restartDelay: number;
  /** Longest delay, ms; also the pace of a group that is `failed`. */
  readonly restartDelayMax: number;
  /** More failures than that within `restartWindow` make the group `failed`. */
  readonly maxRestarts: number;
  /** ms. */
  readonly restartWindow: number;
}

export type Verdict =
  | { readonly action: 'restart' /** ms */; readonly delay: number }
  | { readonly action: 'give-up' };

/** Spread of a delay around its nominal value, so that workers that fell together do not rise together. */
const jitter = 0.2;

/**
 * Restart intensity in a sliding window after OTP's supervisor, with exponential backoff per slot: the first failure of
 * a slot is restarted at once. A worker that served longer than the window starts a new count: its end is no crash loop.
 * The window does not count the delays themselves, or growing delays would keep every crash loop below the limit.
 */
export class RestartPolicy {
  #limits: RestartLimits;
  readonly #random: () => number;
  /** The failures within the window, oldest first. */
  #recent: { readonly slot: number; readonly time: number }[] = [];
  /** By slot: failures in a row, and how long it was held back for them, ms. */
  readonly #rows = new Map<number, { failures: number; held: number }>();
  #lastEnd = Number.NEGATIVE_INFINITY;
  #failed = false;
  /** Outlives `#failed`, so that slow retries do not empty the window and start the fast ones again. */
  #exceeded = false;

  constructor(limits: RestartLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** True from the failure that exceeded the window until a worker becomes ready. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Takes the limits of a reload and forgets the past: new code deserves its own count. */
  reset(limits: RestartLimits): void {
    this.#limits = limits;
    this.#forget();
    this.#failed = false;
  }

  /** A worker ended that nobody had asked to; `servedFor` is how long it had been ready, in ms. */
  ended(slot: number, exit: { failure: boolean; servedFor: number }, now: number): Verdict {
    const { restart, restartDelayMax, restartWindow, maxRestarts } = this.#limits;
    if (restart === 'never' || (restart === 'on-failure' && !exit.failure)) return { action: 'give-up' };

    if (now - this.#lastEnd > restartWindow + restartDelayMax) this.#forget();
    this.#lastEnd = now;
    if (exit.servedFor >= restartWindow) {
      this.#rows.delete(slot);
      return { action: 'restart', delay: 0 };
    }
    const row = this.#rows.get(slot) ?? { failures: 0, held: 0 };
    this.#rows.set(slot, row);
    row.failures++;
    this.#recent = [...this.#recent, { slot, time: now - row.held }].filter(
      failure => now - this.#heldBack(failure.slot) - failure.time < restartWindow,
    );
    this.#exceeded ||= this.#recent.length > maxRestarts;
    this.#failed = this.#exceeded;
    const nominal = this.#failed ? restartDelayMax : this.#backoff(row.failures);
    const spread = 1 - jitter + 2 * jitter * this.#random();
    const delay = Math.min(nominal * spread, restartDelayMax);
    row.held += delay;
    return { action: 'restart', delay };
  }

  /** A worker became ready: whatever was wrong, it can serve now. */
  ready(): void {
    this.#failed = false;
  }

  #forget(): void {
    this.#recent = [];
    this.#rows.clear();
    this.#exceeded = false;
  }

  /** Time that passed because of our own delays: it must not thin out the failures of a crash loop. */
  #heldBack(slot: number): number {
    return this.#rows.get(slot)?.held ?? 0;
  }

  #backoff(failures: number): number {
    const { restartDelay, restartDelayMax } = this.#limits;
    return failures === 1 ? 0 : Math.min(restartDelay * 2 ** (failures - 2), restartDelayMax);
  }
}
