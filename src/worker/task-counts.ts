/**
 * What has become of the tasks of one lane, and how long they took. The thread that runs them counts in memory that it
 * shares with its host, which only adds up now and then: a count costs a task next to nothing.
 */

import { type Outcome, outcomes, timeBuckets } from '../channel/statistics.ts';
import { fineBucketOf, fineBuckets } from './fine-buckets.ts';
import type { AbortReason } from './thread-protocol.ts';

const buckets = timeBuckets.length + 1;
/** Where what stands, in numbers: a count, or a sum in ms. */
const Place = {
  outcomes: 0,
  wait: outcomes.length,
  waitSum: outcomes.length + buckets,
  run: outcomes.length + buckets + 1,
  runSum: outcomes.length + 2 * buckets + 1,
  fine: outcomes.length + 2 * buckets + 2,
} as const;
const length = Place.fine + fineBuckets;

export const countsLength = length * Float64Array.BYTES_PER_ELEMENT;

const done = outcomes.indexOf('done');
const failed = outcomes.indexOf('failed');
const timedOut = outcomes.indexOf('timed-out');
const cancelled = outcomes.indexOf('cancelled');

export class TaskCounts {
  /** Exact up to 2^53, where integers of 32 bits would last for some hours. */
  readonly #numbers: Float64Array;

  /** Without `memory` nobody else reads them. */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(countsLength), offset = 0) {
    this.#numbers = new Float64Array(memory, offset, length);
  }

  /** A task has begun after it waited for `ms`. */
  begun(ms: number): void {
    this.#add(Place.wait, Place.waitSum, ms);
  }

  /** A task has ended after `ms`, on its own thread; `reason`: it had been told to. */
  ended(isDone: boolean, reason: AbortReason | undefined, ms: number): void {
    if (reason === undefined) this.#count(isDone ? done : failed);
    else this.#count(reason === 'timed out' ? timedOut : cancelled);
    this.ran(ms);
  }

  /** The same for a task of which only the host knows; one that was not begun has not run. */
  concluded(outcome: Outcome, ms?: number): void {
    this.#count(outcomes.indexOf(outcome));
    if (ms !== undefined) this.ran(ms);
  }

  /** Adds others to these. */
  add(others: TaskCounts): void {
    for (const [at, number] of others.#numbers.entries()) {
      this.#numbers[at] = (this.#numbers[at] as number) + number;
    }
  }

  get tasks(): Record<Outcome, number> {
    const count = (outcome: Outcome, at: number) => [outcome, this.#numbers[at]];
    return Object.fromEntries(outcomes.map(count)) as Record<Outcome, number>;
  }

  get waitTime() {
    return this.#histogram(Place.wait, Place.waitSum);
  }

  get runTime() {
    return this.#histogram(Place.run, Place.runSum);
  }

  /** Run times, by fine bucket. */
  get fine(): Float64Array {
    return this.#numbers.subarray(Place.fine);
  }

  ran(ms: number): void {
    this.#add(Place.run, Place.runSum, ms);
    this.#count(Place.fine + fineBucketOf(ms));
  }

  #histogram(place: number, sum: number) {
    return {
      counts: [...this.#numbers.subarray(place, place + buckets)],
      sum: this.#numbers[sum] as number,
    };
  }

  #add(place: number, sum: number, ms: number): void {
    let bucket = 0;
    while (ms > (timeBuckets[bucket] as number)) bucket++;
    this.#count(place + bucket);
    this.#numbers[sum] = (this.#numbers[sum] as number) + ms;
  }

  #count(at: number): void {
    this.#numbers[at] = (this.#numbers[at] as number) + 1;
  }
}
