/** One output of log records: whole lines, in order, in bounded memory, and without ever blocking the event loop. */
import { writev, writevSync } from 'node:fs';
import { LineQueue } from './line-queue.ts';
import type { Format } from './pretty.ts';
import { noticeRecord } from './records.ts';
import { reasonOf, type Target } from './target.ts';

/** From this many waiting bytes on, `full` asks the sources to wait. */
const HIGH_WATER = 1024 * 1024;
/** Above this many waiting bytes lines are lost and counted: they come from who cannot wait, the supervisor itself. */
const MAX_WAITING = 32 * 1024 * 1024;

/** A failed write is tried again after this time; in milliseconds, as all times here. */
const RETRY_DELAY = 1_000;
/** So long may a full disk hold up the services; then lines are lost, and counted. */
const PATIENCE = 5_000;
/** A reader that is not ready (EAGAIN) is tried again after 1 ms, 2 ms, 4 ms … up to this. */
const BUSY_DELAY_MAX = 100;
/** `close` and `flushSync` give up after so long without progress. */
const FLUSH_PATIENCE = 2_000;

/** Told of what went wrong with a sink, once per failure: it is for another output, as this one does not work. */
export type OnTrouble = (target: Target, message: string) => void;

export class Sink {
  readonly target: Target;
  /** How records are shown; undefined: as they are, JSON. */
  format: Format | undefined;
  readonly #onTrouble: OnTrouble;
  readonly #queue = new LineQueue();
  /** The write that a thread of libuv has in hand. */
  #inFlight: { readonly bytes: number; readonly sizeBefore: number | undefined } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #busyDelay = 1;
  #isScheduled = false;
  #reopenWanted = false;
  #failure: { readonly since: number; readonly reason: string } | undefined;
  /** Writing has failed for longer than sources may be held up. */
  #isLossy = false;
  #lost = 0;
  /** Closed, or the reader is gone for good: what comes now has nowhere to go. */
  #isClosed = false;
  #onProgress: () => void = () => {};
  #wakeUps: (() => void)[] = [];

  constructor(target: Target, onTrouble: OnTrouble) {
    this.target = target;
    this.#onTrouble = onTrouble;
  }

  /** Whoever can wait should, until `drained()`. */
  get full(): boolean {
    return this.#queue.bytes >= HIGH_WATER && !this.#isLossy;
  }

  /** Resolves when the sink is not full. */
  drained(): Promise<void> {
    return new Promise(resolve => {
      this.#wakeUps.push(resolve);
      this.#wake();
    });
  }

  /** Takes a record: a line of JSON with its line feed. */
  write(record: string): void {
    if (this.#isClosed) return;
    // The first line does not count: alone it may be larger than all the room there is.
    const isOver = this.#queue.bytes - this.#queue.firstLength > MAX_WAITING;
    if (this.#isLossy || isOver) this.#lost += 1;
    else this.#push(record);
  }

  /** Opens the file anew by its name, between two lines. */
  reopen(): void {
    this.#reopenWanted = true;
    this.#stopTimer();
    this.#step();
  }

  /** Writes what waits, then closes. Gives up after two seconds without progress, and reports what is lost. */
  async close(): Promise<void> {
    await new Promise<void>(resolve => {
      const patience = setTimeout(resolve, FLUSH_PATIENCE);
      this.#onProgress = () => {
        patience.refresh();
        if (this.#queue.length > 0) return;
        clearTimeout(patience);
        resolve();
      };
      this.#onProgress();
    });
    this.#lost += this.#queue.length;
    if (this.#lost > 0) this.#onTrouble(this.target, this.#lossMessage());
    this.#hangUp();
    // A descriptor that a thread still writes to must not be given to someone else.
    if (this.#inFlight === undefined) this.target.close();
  }

  /** Writes what waits before it returns: for the last words of a process. Gives up after two seconds without progress. */
  flushSync(): void {
    let patienceEnds = performance.now() + FLUSH_PATIENCE;
    this.#landInFlight(patienceEnds);
    while (this.#queue.length > 0 && performance.now() < patienceEnds) {
      try {
        this.#release(writevSync(this.target.fd, this.#queue.batch(Number.POSITIVE_INFINITY)));
        patienceEnds = performance.now() + FLUSH_PATIENCE;
      } catch (error) {
        if (!isBusy(error)) return;
        sleepSync(1);
      }
    }
  }

  #push(record: string): void {
    this.#queue.push(Buffer.from(this.format?.(record) ?? record));
    if (this.#isScheduled) return;
    // The lines of one turn travel in one write.
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#step();
    });
  }

  #step(): void {
    while (this.#inFlight === undefined && this.#timer === undefined && !this.#isClosed) {
      if (this.#reopenWanted && (this.#queue.isBetweenLines || this.#failure !== undefined))
        this.#reopenTarget();
      if (this.#queue.length === 0) return;
      try {
        const batch = this.#nextBatch();
        if (this.target.blocking) this.#writeOnThread(batch);
        else this.#release(writevSync(this.target.fd, batch));
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #writeOnThread(batch: Buffer[]): void {
    const bytes = batch.reduce((sum, line) => sum + line.length, 0);
    const flight = { bytes, sizeBefore: this.target.size };
    this.#inFlight = flight;
    writev(this.target.fd, batch, (error, written) => {
      // flushSync() may have seen it land.
      if (this.#inFlight !== flight) return;
      this.#inFlight = undefined;
      if (error) this.#failed(error);
      else this.#release(written);
      this.#step();
    });
  }

  #nextBatch(): Buffer[] {
    // A begun line ends in the file in which it began.
    const room = this.#queue.isBetweenLines ? this.target.room(this.#queue.firstLength) : 0;
    return this.#queue.batch(room);
  }

  #release(bytes: number): void {
    if (this.#isClosed) return;
    this.#queue.release(bytes);
    this.#busyDelay = 1;
    const message = this.#lossMessage();
    const lost = this.#lost;
    this.#failure = undefined;
    this.#isLossy = false;
    this.#lost = 0;
    if (lost > 0) this.#push(noticeRecord(50, message));
    this.#wake();
    this.#onProgress();
  }

  #lossMessage(): string {
    return `${this.#lost} log lines were lost: ${this.#failure?.reason ?? 'the reader was too slow'}`;
  }

  #failed(error: unknown): void {
    if (isBusy(error)) {
      this.#retryIn(this.#busyDelay);
      this.#busyDelay = Math.min(this.#busyDelay * 2, BUSY_DELAY_MAX);
      return;
    }
    if (this.target.canHangUp) {
      this.#hangUp();
      return;
    }
    this.#retryIn(RETRY_DELAY);
    if (this.#failure === undefined) {
      const reason = reasonOf(error);
      this.#failure = { since: performance.now(), reason };
      this.#onTrouble(this.target, `cannot write: ${reason}; trying again every second`);
    } else if (performance.now() - this.#failure.since >= PATIENCE) {
      this.#isLossy = true;
      this.#wake();
    }
  }

  #retryIn(delay: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#step();
    }, delay);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #reopenTarget(): void {
    this.#reopenWanted = false;
    try {
      if (this.target.reopen()) this.#queue.restartLine();
    } catch (error) {
      this.#onTrouble(this.target, `cannot reopen: ${reasonOf(error)}; writing goes on in the old file`);
    }
  }

  #hangUp(): void {
    this.#isClosed = true;
    this.#stopTimer();
    this.#queue.clear();
    this.#wake();
    this.#onProgress();
  }

  #wake(): void {
    if (this.full) return;
    for (const wakeUp of this.#wakeUps.splice(0)) wakeUp();
  }

  /** Waits until the write under way is seen in the file. Elsewhere it cannot be seen, but its thread ends it before exit. */
  #landInFlight(until: number): void {
    const flight = this.#inFlight;
    if (flight === undefined) return;
    const grown = () => (this.target.size ?? Number.POSITIVE_INFINITY) - (flight.sizeBefore ?? 0);
    while (grown() < flight.bytes && performance.now() < until) sleepSync(1);
    this.#inFlight = undefined;
    this.#release(Math.max(0, Math.min(grown(), flight.bytes)));
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
