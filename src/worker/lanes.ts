/**
 * Spreads the tasks of a worker process over its lanes, and watches them: what is over its time or was cancelled is
 * ended, what would wait behind a long task is moved elsewhere.
 */

import type { RunningTask } from '../channel/control.ts';
import type { Lane } from './lane.ts';
import { clock } from './lane-memory.ts';
import type { AbortReason } from './thread-protocol.ts';
import {
  areRpc,
  isAhead,
  isGone,
  isLong,
  isReturnable,
  isRpc,
  isShared,
  type ThreadTask,
} from './thread-task.ts';

export interface LanesEvents {
  /** A running task is over its time; it ends later. */
  readonly onTimedOut: (task: ThreadTask) => void;
  /** A running task has been told to end. */
  readonly onAbort: (task: ThreadTask, reason: AbortReason, threadId: number) => void;
  /** A task that nobody waits for any more, and that was not begun. */
  readonly onCancelled: (task: ThreadTask) => void;
  /** Tasks of the channel that would have to wait here. */
  readonly onReturned: (tasks: readonly ThreadTask[]) => void;
}

/** A task that runs that long holds up those behind it, ms: they go to another lane. */
const stall = 1;
/** The same where all lanes are held up: they go back to the master. */
const longStall = 2;
/** Less work than that is done by one thread sooner than a second one wakes, ms. */
const wakeTime = 0.1;
/** A batch of tiny tasks has no more: it can be taken back, but costs as much as it has. */
const largestBatch = 1024;

interface Ending {
  readonly lane: Lane;
  readonly at: number;
  readonly reason: AbortReason;
  isKilled: boolean;
}

export class Lanes {
  readonly #lanes: readonly Lane[];
  readonly #abortGrace: number;
  readonly #events: LanesEvents;
  #queue: ThreadTask[] = [];
  /** Running tasks that were told to end. */
  readonly #endings = new Map<ThreadTask, Ending>();
  #timer: NodeJS.Timeout | undefined;
  #timerDue = Number.POSITIVE_INFINITY;

  constructor(lanes: readonly Lane[], abortGrace: number, events: LanesEvents) {
    this.#lanes = lanes;
    this.#abortGrace = abortGrace;
    this.#events = events;
  }

  get queued(): number {
    // The first of a batch is on its way to a thread that is free for it.
    const waitingIn = ({ tasks, unbegun }: Lane) => Math.min(unbegun, Math.max(0, tasks.length - 1));
    return this.#lanes.reduce((sum, lane) => sum + waitingIn(lane), this.#queue.length);
  }

  /** Lanes that take the next task at once. */
  get idle(): number {
    return this.#lanes.filter(lane => lane.unended === 0).length;
  }

  get running(): RunningTask[] {
    return this.#lanes.flatMap(({ running }) =>
      running
        ? { name: running.task.call.name, threadId: running.threadId, age: Math.round(running.age) }
        : [],
    );
  }

  /** The thread that runs the task; undefined while none does. */
  threadOf(id: number): number | undefined {
    return this.#lanes.map(lane => lane.running).find(running => running?.task.id === id)?.threadId;
  }

  submit(tasks: readonly ThreadTask[]): void {
    for (const task of tasks) this.#queue.push(task);
    this.pump();
  }

  /** Puts tasks that were not begun back in front. */
  resubmit(tasks: readonly ThreadTask[]): void {
    this.#putBack(tasks);
    this.pump();
  }

  /** There is nothing to watch any more. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** Gives waiting tasks to lanes that have none, an equal share to each, and lets others join batches that run. */
  pump(): void {
    // A thread that waits for tasks to join its batch is the quickest.
    const free = this.#lanes
      .filter(lane => lane.unended === 0)
      .sort((a, b) => Number(b.isBusy) - Number(a.isBusy));
    if (free.length > this.#queue.length) this.#takeBackAhead();
    const worth = this.#lanesWorth(free.length);
    for (const [at, lane] of free.entries()) {
      const lanes = Math.max(1, worth - at);
      if (this.#queue.length > 0) this.#give(lane, Math.ceil(this.#queue.length / lanes));
    }
    if (this.#queue.length > 0) this.#join();
    this.#watch();
  }

  /** How many of the free lanes are worth waking for what waits. */
  #lanesWorth(free: number): number {
    let work = 0;
    for (const task of this.#queue) {
      work += isRpc(task) ? task.expected : Number.POSITIVE_INFINITY;
      if (work >= free * wakeTime) return free;
    }
    return Math.max(1, Math.ceil(work / wakeTime));
  }

  #give(lane: Lane, share: number): void {
    const tasks = this.#take(Math.min(largestBatch, share));
    if (!lane.isBusy) void lane.start(tasks);
    else if (!lane.join(tasks)) this.#queue.unshift(...tasks);
  }

  /** What was sent ahead stands behind a thread while another one is idle. */
  #takeBackAhead(): void {
    for (const lane of this.#lanes) {
      const last = lane.unbegun > 0 ? lane.tasks.at(-1) : undefined;
      if (last && isAhead(last)) this.#putBack(lane.takeRest());
    }
  }

  /** In their order: what needs a lane to itself does not wait behind what comes after it. */
  #join(): void {
    for (const [at, lane] of this.#lanes.entries()) {
      const [first] = this.#queue;
      if (!first || (isLong(first) && !isAhead(first))) return;
      if (isRpc(first) !== areRpc(lane.tasks)) continue;
      // One that waits there is enough, and nothing tiny waits behind a long one.
      if (isAhead(first) ? lane.unbegun > 0 : lane.isLong || (lane.running?.age ?? 0) >= stall) continue;
      this.#give(lane, Math.ceil(this.#queue.length / (this.#lanes.length - at)));
    }
  }

  /** Ends a task that nobody waits for any more. */
  cancel(id: number): void {
    const waiting = this.#takeOut(id);
    if (waiting) this.#events.onCancelled(waiting);
    else this.#abort(id, 'cancelled');
  }

  /** Whether the task has ended, and its result is on its way. */
  hasEnded(id: number): boolean {
    return this.#lanes.some(lane => lane.hasEnded(id));
  }

  /** Takes a task out that has not begun; undefined where it has. */
  recall(id: number): ThreadTask | undefined {
    return this.#takeOut(id);
  }

  /** To be called for each task that is over. */
  forget(task: ThreadTask): void {
    this.#endings.delete(task);
  }

  /** Why it was told to end; undefined where it was not. */
  whyEnding(task: ThreadTask): AbortReason | undefined {
    return this.#endings.get(task)?.reason;
  }

  /** Up to `share` tasks that may go together, or one that may not. */
  #take(share: number): ThreadTask[] {
    const [first] = this.#queue as [ThreadTask];
    const isAlone = (task: ThreadTask) => !isShared(task) || isRpc(task) !== isRpc(first);
    const firstAlone = this.#queue.slice(0, share).findIndex(isAlone);
    const count = firstAlone < 0 ? share : Math.max(1, firstAlone);
    return this.#queue.splice(0, count);
  }

  /** Tasks that a thread had been given, and has not begun. */
  #putBack(tasks: readonly ThreadTask[]): void {
    const gone = tasks.filter(isGone);
    this.#queue.unshift(...(gone.length === 0 ? tasks : tasks.filter(task => !isGone(task))));
    if (gone.length > 0) this.#events.onReturned(gone);
  }

  #takeOut(id: number): ThreadTask | undefined {
    const lane = this.#lanes.find(({ tasks }) => tasks.some(task => task.id === id));
    // The others go on, here or elsewhere: nobody can tell a thread to leave one out.
    if (lane && lane.running?.task.id !== id) this.#putBack(lane.takeRest());
    const at = this.#queue.findIndex(task => task.id === id);
    const [task] = at < 0 ? [] : this.#queue.splice(at, 1);
    this.pump();
    return task;
  }

  #abort(id: number, reason: AbortReason): void {
    const lane = this.#lanes.find(({ running }) => running?.task.id === id);
    const running = lane?.running;
    if (!lane || !running || this.#endings.has(running.task)) return;
    this.#endings.set(running.task, { lane, at: clock(), reason, isKilled: false });
    lane.abort(running.task, reason);
    this.#events.onAbort(running.task, reason, running.threadId);
    this.#watch();
  }

  /** Looks after all lanes now, and says when to look again. */
  #watch(): void {
    const due = this.#nextDue();
    if (due >= this.#timerDue) return;
    clearTimeout(this.#timer);
    this.#timerDue = due;
    if (due === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        this.#timerDue = Number.POSITIVE_INFINITY;
        this.#checkTimes();
        this.#moveWaiting();
        this.#watch();
      },
      Math.max(1, due - clock()),
    );
  }

  #nextDue(): number {
    const now = clock();
    let due = Number.POSITIVE_INFINITY;
    const hasWaiting = this.#queue.some(isReturnable);
    for (const lane of this.#lanes) {
      if (!lane.isBusy) continue;
      // What ends before the last of a batch has to be fetched, whatever the last one does.
      if (hasWaiting || lane.hasSilentResults) due = Math.min(due, now + stall);
      const { running, current } = lane;
      // Nobody tells the host when it begins: its limit counts from now until then.
      const { timeout } = (running?.task ?? current)?.call ?? { timeout: 0 };
      if (timeout > 0 && !(running && this.#endings.has(running.task))) {
        due = Math.min(due, now + Math.max(1, timeout - (running?.age ?? 0)));
      }
    }
    for (const { at, isKilled } of this.#endings.values()) {
      if (!isKilled) due = Math.min(due, Math.max(now + 1, at + this.#abortGrace));
    }
    return due;
  }

  #checkTimes(): void {
    for (const lane of this.#lanes) {
      const { running } = lane;
      if (!running || this.#endings.has(running.task)) continue;
      const { timeout } = running.task.call;
      if (timeout === 0 || running.age <= timeout) continue;
      this.#events.onTimedOut(running.task);
      this.#abort(running.task.id, 'timed out');
    }
    for (const [task, ending] of this.#endings) {
      if (ending.isKilled || clock() - ending.at < this.#abortGrace) continue;
      // It may have ended just now; its thread may even run another one.
      if (ending.lane.running?.task !== task) continue;
      ending.isKilled = true;
      this.#putBack(ending.lane.takeRest());
      ending.lane.kill();
    }
  }

  #moveWaiting(): void {
    for (const lane of this.#lanes) {
      if (!lane.isBusy) continue;
      lane.fetch();
      if (lane.unbegun > 0 && (lane.running?.age ?? 0) >= stall) this.#putBack(lane.takeRest());
    }
    this.pump();
    const isHeldUp = this.#lanes.every(({ running }) => running && running.age >= longStall);
    if (!isHeldUp) return;
    const waiting = this.#queue.filter(isReturnable);
    if (waiting.length === 0) return;
    this.#queue = this.#queue.filter(task => !isReturnable(task));
    this.#events.onReturned(waiting);
  }
}
