/** Percentiles of the run times of about the last minute, told from counts that only grow. */

import { fineBuckets, percentile } from './fine-buckets.ts';

/** How often what was counted by then is kept, and how many of these are, ms. */
const step = 10_000;
const steps = 6;

export class RecentTimes {
  /** The first is the oldest. */
  readonly #kept: Float64Array[] = [new Float64Array(fineBuckets)];
  #keptAt: number;

  constructor(now: number) {
    this.#keptAt = now;
  }

  /** `counts`: run times since the beginning, by fine bucket. */
  read(counts: Float64Array, now: number): { p50: number; p95: number } {
    const [oldest] = this.#kept as [Float64Array];
    const recent = counts.map((count, at) => count - (oldest[at] as number));
    if (now >= this.#keptAt + step) this.#keep(counts, now);
    return { p50: percentile(recent, 0.5), p95: percentile(recent, 0.95) };
  }

  #keep(counts: Float64Array, now: number): void {
    this.#keptAt = now;
    this.#kept.push(counts.slice());
    if (this.#kept.length > steps) this.#kept.shift();
  }
}
