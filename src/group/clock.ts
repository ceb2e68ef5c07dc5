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
    const monotonic = this.#monotonic();
    this.#now = this.#at(monotonic);
    this.#lastTick = monotonic;
  }

  now(): number {
    return this.#at(this.#monotonic());
  }

  #at(monotonic: number): number {
    return this.#now + Math.min(monotonic - this.#lastTick, this.#longestStep);
  }
}
