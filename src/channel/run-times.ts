/** How long tasks of each name run, as far as is known: it says how many of them may wait behind a thread. Pure. */

/** Work of that length or longer keeps a thread for itself: nothing but one more of it waits behind it, ms. */
export const longTask = 1;

/** A guess follows longer runs at once and shorter ones slowly: what is long now and then counts as long. */
const rise = 1 / 4;
const fall = 1 / 128;
/** What a task costs beside its own run, ms. */
const overhead = 0.003;

export class RunTimes {
  readonly #guesses = new Map<string, number>();

  record(name: string, runTime: number): void {
    const sample = runTime + overhead;
    const guess = this.#guesses.get(name);
    if (guess === undefined) this.#guesses.set(name, sample);
    else this.#guesses.set(name, guess + (sample - guess) * (sample > guess ? rise : fall));
  }

  /** Ms; infinite for a name that never ran. */
  guess(name: string): number {
    return this.#guesses.get(name) ?? Number.POSITIVE_INFINITY;
  }
}
