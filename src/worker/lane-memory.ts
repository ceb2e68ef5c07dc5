/**
 * Memory that the main thread of a worker process shares with the thread that runs a batch of tasks. It says which
 * tasks have begun and which have ended, and holds their results: none is lost or held back when a later task of the
 * batch takes long, or is ended together with its thread. Tasks that join the batch while it runs stand there, too: the
 * thread goes from one to the next without anybody being woken.
 */

import { countsLength, TaskCounts } from './task-counts.ts';
import type { AbortReason } from './thread-protocol.ts';

const Field = {
  /** Tasks that the thread has begun, and more where the rest was taken from it. */
  begun: 0,
  /** Tasks that have ended. */
  ended: 1,
  /** Bytes of results. */
  written: 2,
  threadId: 3,
  /** 1 + the place in the batch of the task that is to end, negative where it is over its time; 0: none. */
  aborted: 4,
  /** Bytes of tasks that have joined the batch; -1: no more can. */
  joined: 5,
} as const;

const headLength = 64;
/** Where the time stands at which the running task began. */
const clockOffset = 32;
const resultsLength = 64 * 1024;
const tasksLength = 64 * 1024;
const countsOffset = headLength + resultsLength + tasksLength;
const closed = -1;
/** More than any batch has. */
const taken = 2 ** 30;

/** Milliseconds that mean the same in all threads of a process. */
export const clock: () => number = (() => {
  // Of several readings the smallest: one of the two clocks may have been read late.
  const readings = Array.from({ length: 5 }, () => {
    const now = performance.now();
    return Number(process.hrtime.bigint()) / 1e6 - now;
  });
  const offset = Math.min(...readings);
  return () => performance.now() + offset;
})();

export class LaneMemory {
  readonly shared: SharedArrayBuffer;
  /** Of all batches; written by whichever thread runs one. */
  readonly counts: TaskCounts;
  readonly #fields: Int32Array;
  readonly #clock: Float64Array;
  readonly #results: Uint8Array;
  readonly #tasks: Uint8Array;

  constructor(shared = new SharedArrayBuffer(countsOffset + countsLength)) {
    this.shared = shared;
    this.counts = new TaskCounts(shared, countsOffset);
    this.#fields = new Int32Array(shared, 0, headLength / 4);
    this.#clock = new Float64Array(shared, clockOffset, 1);
    this.#results = new Uint8Array(shared, headLength, resultsLength);
    this.#tasks = new Uint8Array(shared, headLength + resultsLength, tasksLength);
  }

  /** The host's, before a batch and while no thread knows of it. */
  reset(): void {
    this.#fields.fill(0);
  }

  get begun(): number {
    return Atomics.load(this.#fields, Field.begun);
  }

  get ended(): number {
    return Atomics.load(this.#fields, Field.ended);
  }

  get threadId(): number {
    return Atomics.load(this.#fields, Field.threadId);
  }

  /** When the task began that runs now, by `clock()`. */
  get startedAt(): number {
    return this.#clock[0] as number;
  }

  /** The host's: lets the thread begin no further task, and returns how many it has begun. */
  takeRest(): number {
    return Atomics.exchange(this.#fields, Field.begun, taken);
  }

  /** The host's: adds tasks to the batch; false where there is no room, or the thread has closed it. */
  join(tasks: Uint8Array): boolean {
    const start = Atomics.load(this.#fields, Field.joined);
    const end = start + tasks.length;
    if (start === closed || end > tasksLength) return false;
    this.#tasks.set(tasks, start);
    if (Atomics.compareExchange(this.#fields, Field.joined, start, end) !== start) return false;
    Atomics.notify(this.#fields, Field.joined);
    return true;
  }

  /** The host's: tells a task that looks, even one that never lets its event loop turn. */
  abort(place: number, reason: AbortReason): void {
    Atomics.store(this.#fields, Field.aborted, reason === 'timed out' ? -(place + 1) : place + 1);
  }

  /** The host's: a copy of the results from byte `from` on. */
  results(from: number): Buffer {
    const length = Atomics.load(this.#fields, Field.written) - from;
    return length > 0 ? Buffer.from(this.#results.subarray(from, from + length)) : empty;
  }

  /** The thread's: begins the next task at `now`; false where there is none with this place any more. */
  begin(place: number, now: number): boolean {
    // The time first: a host that sees the task sees when it began.
    this.#clock[0] = now;
    return Atomics.add(this.#fields, Field.begun, 1) === place;
  }

  /** The thread's: sleeps for `ms` at most, until more tasks have joined than the first `from` bytes. */
  awaitJoined(from: number, ms: number): void {
    Atomics.wait(this.#fields, Field.joined, from, ms);
  }

  /** The thread's: whether more tasks have joined than the first `from` bytes. */
  hasJoined(from: number): boolean {
    return Atomics.load(this.#fields, Field.joined) !== from;
  }

  /** The thread's: a copy of the tasks that have joined from byte `from` on; undefined where there is none, and will be none. */
  joined(from: number): Buffer | undefined {
    const end = Atomics.compareExchange(this.#fields, Field.joined, from, closed);
    return end === from || end === closed ? undefined : Buffer.from(this.#tasks.subarray(from, end));
  }

  /** The thread's: where it says who it is. */
  enter(threadId: number): void {
    Atomics.store(this.#fields, Field.threadId, threadId);
  }

  /** The thread's: why the task is to end; undefined where it is not. */
  abortReason(place: number): AbortReason | undefined {
    const aborted = Atomics.load(this.#fields, Field.aborted);
    if (Math.abs(aborted) !== place + 1) return undefined;
    return aborted < 0 ? 'timed out' : 'cancelled';
  }

  /** The thread's: adds results; false where there is no room for them. */
  write(bytes: Uint8Array): boolean {
    const start = this.#fields[Field.written] as number;
    if (start + bytes.length > resultsLength) return false;
    this.#results.set(bytes, start);
    Atomics.store(this.#fields, Field.written, start + bytes.length);
    return true;
  }

  /** The thread's: the task that it has begun last is over, and its result out. */
  end(): void {
    Atomics.add(this.#fields, Field.ended, 1);
  }
}

const empty = Buffer.alloc(0);
