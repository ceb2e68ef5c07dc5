/** Milliseconds during which the master was awake: time-outs of workers must not count time in which it could not listen. */
export class AwakeClock {
  #now = 0;
  #lastTick: number;
  readonly #longestStep: number;
  readonly #monotonic: () => number;

  /** `longestStep` (ms) is what one tick can add, however long the process was stopped or starved before it. */
  constructor(longestStep: number, monotonic: () => number = () => performance.now()) {
    this.#longestStep = longestStep;
    this.#monotonic = monotonic;
    this.#lastTick = monotonic();
  }

  tick(): void {
    const now = this.#monotonic();
    this.#now += Math.min(now - this.#lastTick, this.#longestStep);
    this.#lastTick = now;
  }

  /** Between two ticks time stands still: what arrives after a stop is as young as the tick before it. */
  now(): number {
    return this.#now;
  }
}
