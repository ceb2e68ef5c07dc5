/**
 * Sends tasks to the least loaded worker process, and no more there than keeps its threads busy: a crash costs only
 * what had been sent, and what waits here can still go to whichever process is free first.
 */

import type { Thrown } from '../channel/error-value.ts';
import { Status, type TaskRecord, valueOfRecord } from '../channel/records.ts';
import { longTask, RunTimes } from '../channel/run-times.ts';
import {
  NoThreadsError,
  QueueTimeoutError,
  TaskAbortError,
  TaskTimeoutError,
  ThreadExitError,
  UnknownTaskError,
  WorkerCrashError,
} from '../errors.ts';
import type { ExitReason } from '../group/exit-reason.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import type { PoolTask } from './pool-task.ts';
import { Suspects } from './suspects.ts';
import { TaskQueue } from './task-queue.ts';
import { WorkerLink } from './worker-link.ts';

export interface DispatcherEvents {
  /** How long a task waited and ran, ms. */
  readonly onTimes: (waitTime: number, runTime: number) => void;
  /** A task is run again after what ran it was lost. */
  readonly onRetry: (task: PoolTask) => void;
}

export class Dispatcher {
  readonly #events: DispatcherEvents;
  readonly #queue = new TaskQueue();
  readonly #suspects = new Suspects();
  readonly #links = new Map<WorkerProcess, WorkerLink>();
  readonly #runTimes = new RunTimes();
  /** Tasks that a process has given back, in their order. */
  readonly #returned: PoolTask[] = [];
  #isFlushDue = false;

  constructor(events: DispatcherEvents) {
    this.#events = events;
  }

  /** Tasks that have not been sent. */
  get queued(): number {
    return this.#queue.size + this.#suspects.size;
  }

  /** The links on which tasks can be sent. */
  get openLinks(): WorkerLink[] {
    return [...this.#links.values()].filter(link => link.isOpen);
  }

  link(worker: WorkerProcess): WorkerLink | undefined {
    return this.#links.get(worker);
  }

  /** Whether it has ever been sent a task. */
  hasServed(worker: WorkerProcess): boolean {
    const link = this.#links.get(worker);
    return link !== undefined && link.completed + link.outstanding > 0;
  }

  /** Sends tasks to that process from when it is ready until it ends. */
  attach(worker: WorkerProcess): void {
    const link = new WorkerLink(worker, {
      onRecord: (task, record) => this.#read(task, record),
      onRoom: () => this.#onRoom(),
    });
    this.#links.set(worker, link);
    worker.on('ready', () => this.#flushSoon());
    worker.on('exit', reason => {
      this.#links.delete(worker);
      this.#onLost(link, reason);
    });
  }

  submit(task: PoolTask): void {
    this.#queue.push(task);
    this.#flushSoon();
  }

  /** Sends it to that process now, whatever it is busy with. */
  sendTo(link: WorkerLink, task: PoolTask): void {
    this.#send(link, task, 0);
    link.flush();
  }

  /** Rejects a task that nobody waits for any more; one that runs is told to end. */
  cancel(task: PoolTask, error: Error): void {
    if (task.link) task.link.cancel(task);
    else this.#takeOut(task);
    task.reject({ error });
  }

  /** Its time to wait is over. One that waits to be run again may have run: its wait is not limited. */
  expireWait(task: PoolTask): void {
    if (task.isSettled || task.call.attempt > 1) return;
    task.isOverdue = true;
    // What was sent may have begun: only its process knows.
    if (task.link) {
      task.link.recall(task);
      return;
    }
    this.#takeOut(task);
    task.reject({ error: overdue(task) });
  }

  /** Rejects all tasks that have not been sent. */
  rejectQueued(error: () => Error): void {
    for (const task of [...this.#suspects.drain(), ...this.#queue.drain()]) task.reject({ error: error() });
  }

  /** Rejects all tasks that have been sent. */
  rejectSent(error: () => Error): void {
    for (const link of this.#links.values()) for (const task of link.tasks) task.reject({ error: error() });
  }

  #takeOut(task: PoolTask): void {
    this.#queue.remove(task);
    this.#suspects.remove(task);
  }

  /** When all that happens in this turn has been submitted: the more go together, the less each costs. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    const links = this.openLinks;
    this.#suspects.place(links, (link, task) => this.#send(link, task));
    for (let task = this.#queue.peek(); task; task = this.#queue.peek()) {
      const load = this.#loadOf(task);
      const link = this.#leastLoaded(links, load);
      if (!link) break;
      this.#fill(link, load < longTask ? Math.ceil(this.#queue.size / links.length) : 1);
    }
    for (const link of links) link.flush();
    if (this.#queue.size === 0) this.#rebalance(links);
  }

  /** Where threads are free, what waits behind another process's threads is called back for them. */
  #rebalance(links: readonly WorkerLink[]): void {
    let free = 0;
    for (const link of links) free += (this.#suspects.isFree(link) ? link.freeSlots : 0) - link.recalled;
    for (const link of links) {
      while (free > 0 && link.freeSlots === 0 && link.recallAhead()) free--;
    }
  }

  /** Sends up to `share` tasks there. */
  #fill(link: WorkerLink, share: number): void {
    for (let sent = 0; sent < share; sent++) {
      const task = this.#queue.peek();
      if (!task || !link.hasRoom(this.#loadOf(task))) return;
      this.#queue.shift();
      this.#send(link, task);
    }
  }

  #send(link: WorkerLink, task: PoolTask, load = this.#loadOf(task)): void {
    try {
      link.add(task, load);
    } catch (error) {
      if (link.suspect === task) link.suspect = undefined;
      task.reject({ error: error as Error });
    }
  }

  #loadOf({ call }: PoolTask): number {
    return call.kind === 'run' ? this.#runTimes.guess(call.name) : Number.POSITIVE_INFINITY;
  }

  #leastLoaded(links: readonly WorkerLink[], load: number): WorkerLink | undefined {
    let best: WorkerLink | undefined;
    for (const link of links) {
      if (!this.#suspects.isFree(link) || !link.hasRoom(load)) continue;
      if (!best || link.pressure < best.pressure) best = link;
    }
    return best;
  }

  #onRoom(): void {
    for (const task of this.#returned.splice(0).reverse()) this.#queue.unshift(task);
    if (this.queued > 0 || this.openLinks.some(link => link.hasAhead)) this.#flushSoon();
  }

  /** A value that cannot be read here, such as one that is nested too deeply, is the end of its own task only. */
  #read(task: PoolTask, record: TaskRecord): void {
    try {
      this.#onRecord(task, record);
    } catch (error) {
      this.cancel(task, error as Error);
    }
  }

  #onRecord(task: PoolTask, record: TaskRecord): void {
    const { name } = task.call;
    switch (record.status) {
      case Status.done:
        this.#recordTimes(task, record.runTime);
        task.resolve(valueOfRecord(record));
        break;
      case Status.thrown:
        this.#recordTimes(task, record.runTime);
        task.reject({ thrown: valueOfRecord(record) as Thrown });
        break;
      case Status.item:
        if (!task.isSettled) task.outcome.item?.(valueOfRecord(record));
        break;
      case Status.timedOut:
        task.reject({ error: new TaskTimeoutError(name, valueOfRecord(record) as number) });
        break;
      case Status.threadLost:
        this.#retryOr(task, () => new ThreadExitError(name, valueOfRecord(record) as string));
        break;
      case Status.ended:
        task.reject({ error: new TaskAbortError(name, undefined) });
        break;
      case Status.returned:
        this.#onReturned(task);
        break;
      case Status.unknown:
        task.reject({ error: new UnknownTaskError(name, valueOfRecord(record) as string[]) });
        break;
      case Status.noThreads:
        task.reject({ error: new NoThreadsError() });
        break;
    }
  }

  #recordTimes(task: PoolTask, runTime: number): void {
    if (task.call.kind === 'run') this.#runTimes.record(task.call.name, runTime);
    this.#events.onTimes(Math.max(0, performance.now() - runTime - task.submittedAt), runTime);
  }

  #onReturned(task: PoolTask): void {
    if (task.isSettled) return;
    if (task.isOverdue && task.call.attempt === 1) task.reject({ error: overdue(task) });
    else this.#returned.push(task);
  }

  #onLost(link: WorkerLink, { text }: ExitReason): void {
    const { pid, exitCode, exitSignal: signal, failure } = link.worker;
    const reason = failure ? `${text}: ${failure.message}` : text;
    for (const task of link.takeAll()) {
      task.link = undefined;
      this.#retryOr(task, () => new WorkerCrashError(infoOf(task), { pid, exitCode, signal, reason }));
    }
    this.#flushSoon();
  }

  #retryOr(task: PoolTask, error: () => Error): void {
    if (!task.mayRetry) {
      task.reject({ error: error() });
      return;
    }
    task.call = { ...task.call, attempt: task.call.attempt + 1 };
    this.#events.onRetry(task);
    this.#suspects.add(task);
    this.#flushSoon();
  }
}

export function infoOf({ id, call: { name, attempt } }: PoolTask) {
  return { id, name, attempt };
}

function overdue({ call: { name }, queueTimeout }: PoolTask): QueueTimeoutError {
  return new QueueTimeoutError(name, queueTimeout);
}
