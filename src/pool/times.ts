/** How long tasks waited and ran, summed up in the form that Piscina has for it. */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** All in milliseconds. */
export interface TimeSummary {
  readonly average: number;
  readonly mean: number;
  readonly stddev: number;
  readonly min: number;
  readonly max: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p95: number;
  readonly p97_5: number;
  readonly p99: number;
  readonly p99_9: number;
}

/** Histograms hold integers: microseconds, here. */
const unit = 1000;

export class Times {
  readonly #histogram: RecordableHistogram = createHistogram();
  #total = 0;

  record(ms: number): void {
    this.#total += ms;
    this.#histogram.record(Math.max(1, Math.round(ms * unit)));
  }

  /** The sum of all, ms. */
  get total(): number {
    return this.#total;
  }

  reset(): void {
    this.#histogram.reset();
  }

  get summary(): TimeSummary {
    const { mean, stddev, min, max, count } = this.#histogram;
    const ms = (value: number) => (count === 0 ? 0 : value / unit);
    const percentile = (percent: number) => ms(this.#histogram.percentile(percent));
    return {
      average: ms(mean),
      mean: ms(mean),
      stddev: ms(stddev),
      min: ms(min),
      max: ms(max),
      p50: percentile(50),
      p75: percentile(75),
      p90: percentile(90),
      p95: percentile(95),
      p97_5: percentile(97.5),
      p99: percentile(99),
      p99_9: percentile(99.9),
    };
  }
}
