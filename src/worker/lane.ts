/** One of the places in which a worker process runs tasks: one batch at a time, on whichever thread Piscina gives it. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { memoryOf } from '../channel/blobs.ts';
import { ByteWriter } from '../channel/bytes.ts';
import { TaskWriter } from '../channel/tasks.ts';
import { clock, LaneMemory } from './lane-memory.ts';
import type { TaskCounts, TaskTimes } from './task-counts.ts';
import type { AbortReason, Batch, LocalCall, LocalReply } from './thread-protocol.ts';
import type { ThreadSet } from './thread-set.ts';
import {
  areRpc,
  type BatchTask,
  isLocal,
  isLong,
  type LocalTask,
  mayJoin,
  type ThreadTask,
} from './thread-task.ts';

export interface LaneEvents {
  /** Records from the thread, of some of the tasks. */
  readonly onRecords: (
    bytes: Uint8Array,
    tasks: readonly ThreadTask[],
    blobs?: readonly Uint8Array[],
  ) => void;
  /** These tasks are over, and their results are out. */
  readonly onEnded: (tasks: readonly ThreadTask[]) => void;
  /** The thread ended because of `error` while it ran the task. */
  readonly onLost: (task: ThreadTask, error: unknown, times: TaskTimes) => void;
  /** The thread ended before it had begun these. */
  readonly onUnbegun: (tasks: readonly ThreadTask[]) => void;
  /** It can take the next batch. */
  readonly onIdle: () => void;
}

export class Lane {
  readonly #number: number;
  readonly #memory = new LaneMemory();
  readonly #set: () => ThreadSet;
  readonly #events: LaneEvents;
  #tasks: ThreadTask[] = [];
  #isBusy = false;
  readonly #bytes = new ByteWriter();
  /** Writes tasks for the batch; undefined where none can join it. */
  #writer: TaskWriter | undefined;
  /** Places in the batch of the last task that was not sent ahead, and of the last long one. */
  #lastShort = 0;
  #lastLong = -1;
  /** How many tasks were reported as ended, and how many bytes of results were fetched. */
  #reported = 0;
  #fetched = 0;
  /** Messages with records that have come. */
  #messages = 0;
  /** Called when there are that many; the batch is over then. */
  #awaited: { readonly messages: number; readonly finish: () => void } | undefined;

  constructor(number: number, set: () => ThreadSet, events: LaneEvents) {
    this.#number = number;
    this.#set = set;
    this.#events = events;
  }

  get shared(): SharedArrayBuffer {
    return this.#memory.shared;
  }

  /** What has become of its tasks, but for what only their host knows. */
  get counts(): TaskCounts {
    return this.#memory.counts;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get tasks(): readonly ThreadTask[] {
    return this.#tasks;
  }

  /** Tasks of the batch that no thread has begun. */
  get unbegun(): number {
    return this.#isBusy ? this.#tasks.length - this.#begun : 0;
  }

  /** Tasks of the batch that have not ended; with none of them it is idle, or its thread waits for others to join. */
  get unended(): number {
    return this.#isBusy ? this.#tasks.length - this.#memory.ended : 0;
  }

  /** Whether results may stand in the memory that nobody tells of: those before a task that was not sent ahead. */
  get hasSilentResults(): boolean {
    return this.#isBusy && this.#lastShort > this.#reported;
  }

  /** Whether a task that is expected to be long runs or is to run. */
  get isLong(): boolean {
    return this.#isBusy && this.#lastLong >= this.#memory.ended;
  }

  /** The task that runs now, or between two of them the one that is next; undefined after the last. */
  get current(): ThreadTask | undefined {
    return this.#tasks[this.#memory.ended];
  }

  /** Whether the task has ended, and its result is on its way. */
  hasEnded(id: number): boolean {
    const place = this.#tasks.findIndex(task => task.id === id);
    return this.#isBusy && place >= 0 && place < this.#memory.ended;
  }

  /** The task that runs now, and for how long it has, ms; undefined between two of them. */
  get running(): { readonly task: ThreadTask; readonly age: number; readonly threadId: number } | undefined {
    const ended = this.#memory.ended;
    const task = this.#isBusy && this.#begun > ended ? this.#tasks[ended] : undefined;
    return task && { task, age: clock() - this.#memory.startedAt, threadId: this.#memory.threadId };
  }

  /** A local task comes alone. */
  async start(tasks: readonly ThreadTask[]): Promise<void> {
    this.#isBusy = true;
    this.#tasks = [...tasks];
    this.#lastShort = tasks.length - 1;
    this.#lastLong = tasks.findLastIndex(isLong);
    this.#reported = this.#fetched = this.#messages = 0;
    this.#memory.reset();
    const [first] = tasks as [ThreadTask];
    try {
      if (isLocal(first)) await this.#runLocal(first);
      else await this.#runBatch(tasks as readonly BatchTask[]);
      this.#fetch();
    } catch (error) {
      await this.#recover(error);
    }
    this.#isBusy = false;
    this.#tasks = [];
    this.#writer = undefined;
    this.#events.onIdle();
  }

  /** Adds tasks to the batch that runs; returns false where they cannot join it. */
  join(tasks: readonly ThreadTask[]): boolean {
    if (!this.#writer || !tasks.every(mayJoin) || areRpc(tasks) !== areRpc(this.#tasks)) return false;
    const isJoined = this.#memory.join(this.#encode(this.#writer, tasks));
    if (!isJoined) this.#writer = undefined;
    else this.#add(tasks);
    return isJoined;
  }

  /** Takes what no thread has begun out of the batch, which ends then. */
  takeRest(): readonly ThreadTask[] {
    if (this.unbegun === 0) return [];
    this.#writer = undefined;
    const begun = Math.min(this.#memory.takeRest(), this.#tasks.length);
    const rest = this.#tasks.slice(begun);
    this.#tasks = this.#tasks.slice(0, begun);
    this.#lastShort = Math.min(this.#lastShort, begun - 1);
    return rest;
  }

  /** Tells the running task to end, through memory that it may look at. */
  abort(task: ThreadTask, reason: AbortReason): void {
    this.#memory.abort(this.#tasks.indexOf(task), reason);
  }

  /** The thread has replied to a local task; if nothing has come, it could not be read, and Piscina would wait for ever. */
  async checkReply(id: number): Promise<void> {
    // Messages of two ports may come in any order, within one turn of the event loop.
    await nextTurn();
    await nextTurn();
    const [task] = this.#tasks;
    if (!task || task.id !== id || !isLocal(task)) return;
    task.fail(new RangeError(`the result of task ${task.call.name} is nested too deeply to be read`));
    this.kill();
  }

  /** Ends the thread that runs the batch. */
  kill(): void {
    this.#set().terminate(this.#memory.threadId);
  }

  /** Reports what has ended so far, without waiting for the rest of the batch. */
  fetch(): void {
    if (this.#isBusy) this.#fetch();
  }

  /** A message with records has come from the thread. */
  receive(bytes: Uint8Array, blobs: readonly Uint8Array[]): void {
    this.#events.onRecords(bytes, this.#tasks, blobs);
    this.#messages++;
    if (this.#messages === this.#awaited?.messages) this.#awaited.finish();
  }

  get #begun(): number {
    return Math.min(this.#memory.begun, this.#tasks.length);
  }

  async #runLocal(task: LocalTask): Promise<void> {
    const { id, call, payload, arrival, trace } = task;
    const message: LocalCall = { lane: this.#number, id, call, payload, arrivedAt: arrival.at, trace };
    try {
      const reply: LocalReply = await this.#set().piscina.run(message);
      if (this.#tasks.includes(task)) task.settle(reply);
    } catch (error) {
      const isRefused = error instanceof Error && error.name === 'DataCloneError' && this.#begun === 0;
      if (!isRefused) throw error;
      task.fail(error);
      // No thread has the lane.
      this.counts.concluded('failed');
      this.#memory.end();
    }
  }

  async #runBatch(tasks: readonly BatchTask[]): Promise<void> {
    this.#writer = new TaskWriter(this.#bytes);
    const encoded = this.#encode(this.#writer, tasks);
    const blobs = tasks.flatMap(({ blobs }) => blobs);
    const messages: number = await this.#set().piscina.run(...this.#pack(encoded, blobs));
    if (this.#messages >= messages) return;
    // They take another way than the answer, and may come after it.
    await new Promise<void>(resolve => {
      this.#awaited = { messages, finish: resolve };
    });
    this.#awaited = undefined;
  }

  /** What does not fit into the memory of the lane is handed over. */
  #pack(encoded: Uint8Array, blobs: readonly Uint8Array[]): [Batch, { transferList: ArrayBuffer[] }] {
    const lane = this.#number;
    const transferList = memoryOf(blobs);
    if (this.#memory.join(encoded)) return [{ lane, blobs }, { transferList }];
    const { buffer, byteOffset, byteLength } = this.#bytes.take();
    const memory = buffer as ArrayBuffer;
    const tasks = new Uint8Array(memory, byteOffset, byteLength);
    return [{ lane, tasks, blobs }, { transferList: [memory, ...transferList] }];
  }

  #add(tasks: readonly BatchTask[]): void {
    for (const task of tasks) {
      if (!task.isAhead) this.#lastShort = this.#tasks.length;
      if (task.isLong) this.#lastLong = this.#tasks.length;
      this.#tasks.push(task);
    }
  }

  /** A view of memory that the next call may overwrite. */
  #encode(writer: TaskWriter, tasks: readonly BatchTask[]): Uint8Array {
    this.#bytes.truncate(0);
    for (const task of tasks) writer.copy(task);
    return this.#bytes.written;
  }

  #fetch(): void {
    // Counted first: what has ended by then has its result in the memory, or on its way.
    const ended = this.#memory.ended;
    const bytes = this.#memory.results(this.#fetched);
    this.#fetched += bytes.length;
    if (bytes.length > 0) this.#events.onRecords(bytes, this.#tasks.slice(this.#reported));
    if (ended > this.#reported) this.#events.onEnded(this.#tasks.slice(this.#reported, ended));
    this.#reported = ended;
  }

  /** The thread has ended. */
  async #recover(error: unknown): Promise<void> {
    // What it has sent before may still be on its way.
    await nextTurn();
    await nextTurn();
    const unbegun = this.takeRest();
    this.#fetch();
    const lost = this.#tasks[this.#reported];
    if (lost) {
      const { startedAt } = this.#memory;
      this.#events.onLost(lost, error, { wait: startedAt - lost.arrival.at, run: clock() - startedAt });
    }
    if (unbegun.length > 0) this.#events.onUnbegun(unbegun);
  }
}
