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

/** Ms. */
export interface TaskTimes {
  readonly wait: number;
  readonly run: number;
}

export class TaskCounts {
  /** Exact up to 2^53, where integers of 32 bits would last for some hours. */
  readonly #numbers: Float64Array;

  /** Without `memory` nobody else reads them. */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(countsLength), offset = 0) {
    this.#numbers = new Float64Array(memory, offset, length);
  }

  /**
   * A task has ended on its own thread after it waited for `wait` ms and ran for `run` ms; `reason`: it had been told to.
   * In one piece, since for tiny tasks each call counts.
   */
  ended(isDone: boolean, reason: AbortReason | undefined, wait: number, run: number): void {
    const numbers = this.#numbers;
    const ownEnd = isDone ? done : failed;
    const outcome = reason === undefined ? ownEnd : reason === 'timed out' ? timedOut : cancelled;
    const waitBucket = Place.wait + (wait <= timeBuckets[0] ? 0 : bucketOf(wait));
    const runBucket = Place.run + (run <= timeBuckets[0] ? 0 : bucketOf(run));
    const fineBucket = Place.fine + fineBucketOf(run);
    numbers[outcome] = (numbers[outcome] as number) + 1;
    numbers[waitBucket] = (numbers[waitBucket] as number) + 1;
    // The clocks of two threads differ by microseconds, and a sum must not shrink.
    numbers[Place.waitSum] = (numbers[Place.waitSum] as number) + Math.max(0, wait);
    numbers[runBucket] = (numbers[runBucket] as number) + 1;
    numbers[Place.runSum] = (numbers[Place.runSum] as number) + run;
    numbers[fineBucket] = (numbers[fineBucket] as number) + 1;
  }

  /** The same for a task of which only the host knows; one that was not begun has no times. */
  concluded(outcome: Outcome, times: Partial<TaskTimes> = {}): void {
    this.#add(outcomes.indexOf(outcome), 1);
    if (times.wait !== undefined) {
      this.#add(Place.wait + bucketOf(times.wait), 1);
      this.#add(Place.waitSum, Math.max(0, times.wait));
    }
    if (times.run !== undefined) {
      this.#add(Place.run + bucketOf(times.run), 1);
      this.#add(Place.runSum, times.run);
      this.#add(Place.fine + fineBucketOf(times.run), 1);
    }
  }

  /** Adds others to these. */
  add(others: TaskCounts): void {
    for (const [at, number] of others.#numbers.entries()) this.#add(at, number);
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

  #histogram(place: number, sum: number) {
    return {
      counts: [...this.#numbers.subarray(place, place + buckets)],
      sum: this.#numbers[sum] as number,
    };
  }

  #add(at: number, number: number): void {
    this.#numbers[at] = (this.#numbers[at] as number) + number;
  }
}

function bucketOf(ms: number): number {
  let bucket = 0;
  while (ms > (timeBuckets[bucket] as number)) bucket++;
  return bucket;
}
