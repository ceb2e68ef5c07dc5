/** The caller's end of the task channel to one worker process: what has been sent there, and what may still be. */

import { ReceivedBlobs } from '../channel/blobs.ts';
import { FrameSender } from '../channel/frame-sender.ts';
import { FrameReader, FrameType } from '../channel/frames.ts';
import { forEachRecord, isFinal, Status, type TaskRecord } from '../channel/records.ts';
import { longTask } from '../channel/run-times.ts';
import { TaskWriter } from '../channel/tasks.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import type { PoolTask } from './pool-task.ts';

export interface LinkEvents {
  readonly onRecord: (task: PoolTask, record: TaskRecord) => void;
  /** Records have been handled: there may be room for more. */
  readonly onRoom: () => void;
}

/** Work that may be sent ahead of a thread, ms: it hides the way there and back, and is what a crash costs. */
const sentAhead = 1;
/** Of longer work no task is sent ahead: the way there and back does not count, ms. */
const longestAhead = 25;
/** The same in tasks per thread. */
const mostAhead = 512;
/** Bytes of tasks that wait to be taken by the process; beyond that only free threads get more. */
const mostUnsent = 4 * 1024 * 1024;

export class WorkerLink {
  readonly worker: WorkerProcess;
  /** Tasks that run at a time. */
  readonly slots: number;
  readonly #threads: number;
  readonly #events: LinkEvents;
  readonly #outstanding = new Map<number, PoolTask>();
  /** Of these the long ones that no thread was free for, in their order. */
  readonly #ahead = new Set<PoolTask>();
  readonly #recalled = new Set<PoolTask>();
  readonly #sender: FrameSender | undefined;
  readonly #blobs = new ReceivedBlobs();
  #writer: TaskWriter | undefined;
  /** Tasks that were sent, and each of which keeps a thread for itself. */
  #long = 0;
  /** The work of the others, ms. */
  #load = 0;
  /** It gave tasks back, since all of its threads are held up. */
  #isHeldUp = false;
  #completed = 0;
  /** Runs alone while it is here. */
  suspect: PoolTask | undefined;

  constructor(worker: WorkerProcess, events: LinkEvents) {
    const { threads, concurrentTasksPerWorker } = worker.spec.config;
    this.worker = worker;
    this.slots = Math.max(1, threads * concurrentTasksPerWorker);
    this.#threads = Math.max(1, threads);
    this.#events = events;
    this.#sender = worker.tasks && new FrameSender(worker.tasks);
    const frames = new FrameReader((type, body) => {
      if (type === FrameType.blob) this.#blobs.add(body);
      else this.#onRecords(body);
    });
    worker.tasks?.on('data', (chunk: Buffer) => frames.push(chunk));
  }

  /** Whether tasks can be sent at all. */
  get isOpen(): boolean {
    return this.worker.takesTasks && this.worker.tasks?.writable === true;
  }

  get isQuarantined(): boolean {
    return this.suspect !== undefined;
  }

  /** What has been sent and has not ended. */
  get tasks(): Iterable<PoolTask> {
    return this.#outstanding.values();
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** Tasks that ended here. */
  get completed(): number {
    return this.#completed;
  }

  /** Whether a task that counts for `load` ms is welcome. */
  hasRoom(load: number): boolean {
    const { size } = this.#outstanding;
    if (size < this.slots) return true;
    if (this.#isHeldUp || this.#unsent > mostUnsent) return false;
    if (load >= longTask) return this.#long < this.slots + (load <= longestAhead ? this.#threads : 0);
    const threads = Math.min(this.#threads, this.freeSlots);
    return size - this.#long < threads * mostAhead && this.#load + load <= threads * sentAhead;
  }

  /** Tasks that can run now, beside those that keep a thread for themselves. */
  get freeSlots(): number {
    return Math.max(0, this.slots - this.#long);
  }

  /** Whether a long task waits there for a thread. */
  get hasAhead(): boolean {
    return this.#ahead.size > 0;
  }

  /** Tasks that have been called back, and may still come. */
  get recalled(): number {
    return this.#recalled.size;
  }

  /** Bytes that the process has not taken yet. */
  get #unsent(): number {
    return (this.worker.tasks?.writableLength ?? 0) + (this.#sender?.body.length ?? 0);
  }

  /** How busy it is, to compare it with others. */
  get pressure(): number {
    return (this.#long + this.#load / sentAhead) / this.slots;
  }

  /** Sent with the next `flush()`. Throws a `DataCloneError` for a payload that cannot be cloned. */
  add(task: PoolTask, load: number): void {
    const isLong = load >= longTask;
    const isAhead = isLong && this.freeSlots === 0;
    this.#writer ??= this.#sender && new TaskWriter(this.#sender.body);
    const blobs =
      this.#writer?.write(task.id, task.call, task.payload, { isAhead, isLong }, task.trace) ?? [];
    this.#sender?.sendBlobs(blobs);
    if (isAhead) this.#ahead.add(task);
    task.link = this;
    task.load = isLong ? Number.POSITIVE_INFINITY : load;
    this.#outstanding.set(task.id, task);
    if (isLong) this.#long++;
    else this.#load += load;
  }

  flush(): void {
    if (!this.#sender?.hasBody) return;
    this.#sender.send(FrameType.run);
    this.#writer = undefined;
  }

  cancel(task: PoolTask): void {
    this.#writeNumbers(FrameType.cancel, task.id);
  }

  /** Asks for the task back if it has not begun. */
  recall(task: PoolTask): void {
    this.#writeNumbers(FrameType.recall, task.id);
  }

  /** Asks for the long task back that was sent ahead last; returns whether there is one. */
  recallAhead(): boolean {
    const task = [...this.#ahead].pop();
    if (!task) return false;
    this.#ahead.delete(task);
    this.#recalled.add(task);
    this.recall(task);
    return true;
  }

  credit(task: PoolTask, items: number): void {
    this.#writeNumbers(FrameType.credit, task.id, items);
  }

  /** The process is gone: all that it had, in the order in which it was sent. */
  takeAll(): PoolTask[] {
    const tasks = [...this.#outstanding.values()];
    this.#outstanding.clear();
    this.#long = this.#load = 0;
    this.#ahead.clear();
    this.#recalled.clear();
    return tasks;
  }

  #onRecords(body: Buffer): void {
    forEachRecord(
      body,
      record => {
        const task = this.#outstanding.get(record.id);
        // Of a task whose end was told before.
        if (!task) return;
        if (isFinal(record.status)) this.#finish(task, record.status);
        this.#events.onRecord(task, record);
      },
      this.#blobs.take(),
    );
    this.#events.onRoom();
  }

  #finish(task: PoolTask, status: Status): void {
    this.#outstanding.delete(task.id);
    this.#ahead.delete(task);
    this.#recalled.delete(task);
    if (task.load === Number.POSITIVE_INFINITY) this.#long--;
    else this.#load = this.#outstanding.size === this.#long ? 0 : this.#load - task.load;
    this.#moveUp();
    task.link = undefined;
    if (this.suspect === task) this.suspect = undefined;
    this.#isHeldUp = status === Status.returned;
    if (status !== Status.returned) this.#completed++;
  }

  /** A thread has taken the first of those that were sent ahead. */
  #moveUp(): void {
    if (this.#ahead.size <= this.#long - this.slots) return;
    for (const first of this.#ahead) {
      this.#ahead.delete(first);
      return;
    }
  }

  #writeNumbers(type: number, ...numbers: readonly number[]): void {
    this.flush();
    for (const number of numbers) this.#sender?.body.u32(number);
    this.#sender?.send(type);
  }
}
