/** A set of numbers from 0 on, kept as ranges: few, where only those in hand are missing between them. */

/** From `start` up to, and without, `end`. */
export type Range = readonly [start: number, end: number];

export class Ranges {
  /** In order, with a gap between each two. */
  readonly #ranges: [start: number, end: number][];

  constructor(ranges: readonly Range[] = []) {
    this.#ranges = ranges.map(([start, end]) => [start, end]);
  }

  /** How many numbers it holds. */
  get size(): number {
    return this.#ranges.reduce((sum, [start, end]) => sum + end - start, 0);
  }

  /** The number after the last one. */
  get end(): number {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }

  has(number: number): boolean {
    return this.#ranges.some(([start, end]) => start <= number && number < end);
  }

  /** A number that it does not hold. */
  add(number: number): void {
    // From the end, since most numbers are the newest.
    let at = this.#ranges.length;
    while (at > 0 && (this.#ranges[at - 1] as Range)[0] > number) at--;
    const before = this.#ranges[at - 1];
    const after = this.#ranges[at];
    const continues = before?.[1] === number;
    const precedes = after?.[0] === number + 1;
    if (before && after && continues && precedes) {
      before[1] = after[1];
      this.#ranges.splice(at, 1);
    } else if (before && continues) {
      before[1] = number + 1;
    } else if (after && precedes) {
      after[0] = number;
    } else {
      this.#ranges.splice(at, 0, [number, number + 1]);
    }
  }

  [Symbol.iterator](): IterableIterator<Range> {
    return this.#ranges[Symbol.iterator]();
  }
}
