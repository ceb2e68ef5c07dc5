/** What a worker process runs on its threads: tasks of the channel, and calls of its own Worker. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { ByteWriter } from '../channel/bytes.ts';
import type { ModuleSource, RunningTask, ThreadOptions } from '../channel/control.ts';
import { decodeThrown, encodeThrown } from '../channel/error-value.ts';
import { unwrapMoved } from '../channel/moved.ts';
import { Status, writeRecord } from '../channel/records.ts';
import { longTask, RunTimes } from '../channel/run-times.ts';
import type { Outcome } from '../channel/statistics.ts';
import { timeLimit } from '../channel/time-limit.ts';
import type { SectionConfig } from '../config/types.ts';
import { type TaskTrace, taskChannel } from '../diagnostics.ts';
import {
  NoThreadsError,
  QueueFullError,
  TaskAbortError,
  ThreadExitError,
  type ThreadLoadError,
  UnknownTaskError,
} from '../errors.ts';
import type { Job, JobRun } from '../queue/job-threads.ts';
import { Broadcasts } from './broadcasts.ts';
import { JobRuns } from './job-runs.ts';
import { Lane } from './lane.ts';
import { clock } from './lane-memory.ts';
import { Lanes } from './lanes.ts';
import { LocalRun } from './local-run.ts';
import { settleRpcTasks } from './rpc-tasks.ts';
import { TaskCounts, type TaskTimes } from './task-counts.ts';
import { explainThreadEnd } from './thread-end.ts';
import type { ThreadMessage } from './thread-protocol.ts';
import { ThreadSet, type ThreadSetConfig } from './thread-set.ts';
import { areRpc, type ChannelTask, isOfChannel, type RpcTask, type ThreadTask } from './thread-task.ts';
import type { RunOptions, TaskPool } from './worker.ts';

export type ThreadsConfig = ThreadSetConfig &
  Pick<SectionConfig, 'abortGrace' | 'maxQueue' | 'taskTimeout' | 'queueTimeout'>;

export interface ThreadsEvents {
  /** What a thread threw outside of any task. */
  readonly onError: (error: unknown) => void;
  /** A thread could not be replaced: from now on there are fewer. */
  readonly onBroken: (error: ThreadLoadError) => void;
  /** Records of tasks that came through `submit()`. */
  readonly onRecords: (bytes: Uint8Array, blobs?: readonly Uint8Array[]) => void;
  /** Tasks that came through `submit()` are over. */
  readonly onEnded: (count: number) => void;
}

export class Threads implements TaskPool {
  readonly #config: ThreadsConfig;
  readonly #events: ThreadsEvents;
  /** Undefined with `threads = 0`. */
  readonly #set: ThreadSet | undefined;
  readonly #lanes: Lanes;
  readonly #lanesByNumber: readonly Lane[];
  readonly #broadcasts: Broadcasts;
  readonly #broadcastsToStart: ChannelTask[] = [];
  readonly #scratch = new ByteWriter();
  readonly #whenIdle = new Set<() => void>();
  readonly #rpcTimes = new RunTimes();
  /** Of tasks that no thread could count. */
  readonly #counts = new TaskCounts();
  #taskNames: readonly string[] = [];
  /** Tasks that are not over. */
  #active = 0;
  #nextLocalId = -1;
  readonly #jobs: JobRuns;

  /** Starts the threads. */
  constructor(
    config: ThreadsConfig,
    source: ModuleSource,
    events: ThreadsEvents,
    options: ThreadOptions = {},
  ) {
    this.#config = config;
    this.#events = events;
    const count = config.threads * config.concurrentTasksPerWorker;
    this.#lanesByNumber = Array.from({ length: count }, (_, number) => this.#createLane(number));
    this.#lanes = new Lanes(this.#lanesByNumber, config.abortGrace, {
      onTimedOut: task => this.#onTimedOut(task),
      onAbort: ({ id }, reason, threadId) => this.#set?.post(threadId, { type: 'abort', id, reason }),
      onCancelled: task => this.#giveUp(task, 'cancelled'),
      onReturned: tasks => this.#onReturned(tasks),
    });
    this.#jobs = new JobRuns(config.taskTimeout, {
      submit: tasks => this.#submitOwn(tasks),
      recall: id => this.#recallOwn(id),
      hasEnded: id => this.#lanes.hasEnded(id),
      cancel: id => this.#lanes.cancel(id),
    });
    this.#broadcasts = new Broadcasts(config.abortGrace, {
      onDone: (task, status, value, outcome) => {
        this.#counts.concluded(outcome, { run: clock() - task.arrival.at });
        this.#conclude(task, status, value);
      },
      onTimedOut: task => this.#record(task.id, Status.timedOut, task.call.timeout),
      onAbort: (id, threadId, reason) => this.#set?.post(threadId, { type: 'abort', id, reason }),
      endThread: threadId => this.#endIdleThread(threadId),
    });
    if (config.threads === 0) return;
    const mayLinger = config.concurrentTasksPerWorker === 1;
    const setup = { source, mayLinger, lanes: this.#lanesByNumber.map(({ shared }) => shared) };
    this.#set = new ThreadSet(
      config,
      setup,
      {
        onError: events.onError,
        onBroken: events.onBroken,
        onMessage: message => this.#onMessage(message),
        onThreadReady: () => this.#startBroadcasts(),
        onThreadEnd: threadId =>
          this.#broadcasts.threadEnded(threadId, (config.minThreads ?? config.threads) < config.threads),
      },
      options,
    );
  }

  /** Resolves when every thread has loaded the task module; rejects with a `ThreadLoadError`. */
  get loaded(): Promise<void> {
    return this.#set?.loaded ?? Promise.resolve();
  }

  /** The names that `run()` takes: those of the task module, once it is loaded. */
  set taskNames(names: readonly string[]) {
    this.#taskNames = names;
  }

  get taskNames(): readonly string[] {
    return this.#taskNames;
  }

  get running(): readonly RunningTask[] {
    return this.#lanes.running;
  }

  get queued(): number {
    return this.#lanes.queued;
  }

  /** What has become of all tasks so far. */
  get counts(): TaskCounts {
    const all = new TaskCounts();
    all.add(this.#counts);
    for (const { counts } of this.#lanesByNumber) all.add(counts);
    return all;
  }

  run<Result = unknown>(payload?: unknown, options: RunOptions = {}): Promise<Result> {
    if (!taskChannel.hasSubscribers) return this.#run(payload, options);
    const message: TaskTrace = { kind: 'run', name: options?.name ?? 'default', payload };
    return taskChannel.tracePromise(() => this.#run<Result>(payload, options), message);
  }

  async #run<Result>(payload: unknown, options: RunOptions): Promise<Result> {
    if (typeof options !== 'object' || options === null) {
      throw new TypeError(
        "the options of run(payload, options) must be an object, such as { name: 'square' }",
      );
    }
    const { name = 'default', signal, timeout = this.#config.taskTimeout } = options;
    if (!(timeout >= 0)) throw new RangeError(`timeout must be a number of milliseconds, not ${timeout}`);
    const { maxQueue, queueTimeout } = this.#config;
    if (!this.#set) throw new NoThreadsError();
    if (!this.#taskNames.includes(name)) throw new UnknownTaskError(name, this.#taskNames);
    if (maxQueue > 0 && this.queued >= maxQueue) throw new QueueFullError(maxQueue);
    if (signal?.aborted) throw new TaskAbortError(name, signal.reason);

    const call = { name, kind: 'run', timeout: timeLimit(timeout), attempt: 1 } as const;
    const task = new LocalRun(this.#nextLocalId--, call, unwrapMoved(payload), {
      signal,
      queueTimeout,
      onAbort: id => this.#lanes.cancel(id),
      takeBack: id => this.takeBack(id),
    });
    this.#active++;
    this.#lanes.submit([task]);
    const reply = await task.outcome;
    // Here, where the caller's frames are in the stack.
    if ('thrown' in reply) throw decodeThrown(reply.thrown);
    if ('unknown' in reply) throw new UnknownTaskError(name, reply.unknown);
    return reply.result as Result;
  }

  /** Runs a job of a queue: how many wait here is for its consumer to say, not for `max_queue`. */
  runJob(data: unknown, job: Job): JobRun {
    const { name } = job;
    if (!this.#set) throw new NoThreadsError();
    if (!this.#taskNames.includes(name)) throw new UnknownTaskError(name, this.#taskNames);
    return this.#jobs.start(data, job);
  }

  /** Runs tasks of the channel; what becomes of each comes as records. */
  submit(tasks: readonly ChannelTask[]): void {
    this.#active += tasks.length;
    if (!this.#set) {
      for (const task of tasks) {
        this.#counts.concluded('failed');
        this.#conclude(task, Status.noThreads, undefined);
      }
      return;
    }
    const broadcasts = tasks.filter(({ call }) => call.kind === 'broadcast');
    this.#broadcastsToStart.push(...broadcasts);
    if (broadcasts.length > 0) this.#startBroadcasts();
    this.#lanes.submit(
      broadcasts.length === 0 ? tasks : tasks.filter(({ call }) => call.kind !== 'broadcast'),
    );
  }

  /** Runs JSON-RPC calls; returns how many of them, from the first on, `max_queue` has room for. */
  submitRpc(tasks: readonly RpcTask[]): number {
    const { maxQueue } = this.#config;
    if (!this.#set) throw new NoThreadsError();
    const room = maxQueue > 0 ? Math.max(0, maxQueue - this.queued + this.#lanes.idle) : tasks.length;
    const accepted = room < tasks.length ? tasks.slice(0, room) : tasks;
    this.#submitOwn(accepted);
    return accepted.length;
  }

  #submitOwn(accepted: readonly RpcTask[]): void {
    const arrival = { at: clock() };
    for (const task of accepted) {
      task.arrival = arrival;
      task.expected = this.#rpcTimes.guess(task.call.name);
      task.isLong = task.isAhead = task.expected >= longTask && Number.isFinite(task.expected);
    }
    this.#active += accepted.length;
    this.#lanes.submit(accepted);
  }

  /** Takes a task of this process out that has waited for too long, and not begun; returns whether it could. */
  takeBack(id: number): boolean {
    const task = this.#lanes.recall(id);
    if (task) this.#giveUp(task, 'timed-out');
    return task !== undefined;
  }

  #recallOwn(id: number): boolean {
    const isTaken = this.#lanes.recall(id) !== undefined;
    if (isTaken) this.#ended(1);
    return isTaken;
  }

  /** Nobody waits for the task of the channel, or of RPC, any more. */
  cancel(id: number): void {
    const at = this.#broadcastsToStart.findIndex(task => task.id === id);
    const [waiting] = at < 0 ? [] : this.#broadcastsToStart.splice(at, 1);
    if (waiting) this.#giveUp(waiting, 'cancelled');
    else if (!this.#broadcasts.cancel(id)) this.#lanes.cancel(id);
  }

  /** Gives the task of the channel back if it has not begun. */
  recall(id: number): void {
    const task = this.#lanes.recall(id);
    if (task && isOfChannel(task)) this.#conclude(task, Status.returned, undefined);
  }

  /** The reader of a stream takes that many more items. */
  credit(id: number, items: number): void {
    const threadId = this.#lanes.threadOf(id);
    if (threadId !== undefined) this.#set?.post(threadId, { type: 'credit', id, items });
  }

  /** Resolves when what was begun and what waits has ended. */
  async close(): Promise<void> {
    while (this.#active > 0) {
      await new Promise<void>(resolve => this.#whenIdle.add(resolve));
      // Who waited for the last result may ask for more.
      await nextTurn();
    }
    this.#lanes.close();
    this.#broadcasts.close();
    await this.#set?.close();
  }

  #createLane(number: number): Lane {
    return new Lane(number, () => this.#set as ThreadSet, {
      onRecords: (bytes, tasks, blobs) => {
        // Later, since the thread waits for its next batch: to write responses takes longer than to make them.
        if (areRpc(tasks)) process.nextTick(settleRpcTasks, bytes, tasks, this.#rpcTimes);
        else this.#events.onRecords(bytes, blobs);
      },
      onEnded: tasks => this.#onEnded(tasks),
      onLost: (task, error, times) => this.#onLost(task, error, times),
      onUnbegun: tasks => this.#lanes.resubmit(tasks),
      onIdle: () => this.#lanes.pump(),
    });
  }

  #onMessage(message: ThreadMessage): void {
    switch (message.type) {
      case 'records':
        this.#lanesByNumber[message.lane]?.receive(message.bytes, message.blobs);
        break;
      case 'replied':
        void this.#lanesByNumber[message.lane]?.checkReply(message.id);
        break;
      case 'results':
        this.#lanesByNumber[message.lane]?.fetch();
        this.#lanes.pump();
        break;
      case 'job':
        this.#jobs.onNews(message.id, message.news);
        break;
      case 'broadcast':
        this.#broadcasts.answered(message.id, message.threadId, message.reply);
        break;
      case 'broadcast-replied':
        this.#broadcasts.replied(message.id, message.threadId);
        break;
    }
  }

  /** While the only thread is being replaced, there is none for them yet. */
  #startBroadcasts(): void {
    if (!this.#set || (this.#set.ports.size === 0 && this.#set.isStarting)) return;
    for (const task of this.#broadcastsToStart.splice(0)) this.#broadcasts.start(task, this.#set.ports);
  }

  #endIdleThread(threadId: number): boolean {
    if (this.#lanes.running.some(task => task.threadId === threadId)) return false;
    this.#set?.terminate(threadId);
    return true;
  }

  #onEnded(tasks: readonly ThreadTask[]): void {
    for (const task of tasks) this.#lanes.forget(task);
    this.#ended(tasks.length);
    // A batch holds one kind of them.
    if (isOfChannel(tasks[0] as ThreadTask)) this.#events.onEnded(tasks.length);
  }

  #onTimedOut(task: ThreadTask): void {
    if (isOfChannel(task)) this.#record(task.id, Status.timedOut, task.call.timeout);
    else task.expire();
  }

  /** Nobody hears what becomes of it. */
  #giveUp(task: ThreadTask, outcome: Outcome, times?: TaskTimes): void {
    this.#counts.concluded(outcome, times);
    if (isOfChannel(task)) this.#conclude(task, Status.ended, undefined);
    else this.#ended(1);
  }

  #onLost(task: ThreadTask, error: unknown, times: TaskTimes): void {
    const whyEnding = this.#lanes.whyEnding(task);
    this.#lanes.forget(task);
    if (whyEnding) {
      this.#giveUp(task, whyEnding === 'timed out' ? 'timed-out' : 'cancelled', times);
      return;
    }
    const reason = explainThreadEnd(error);
    this.#counts.concluded(reason === undefined ? 'failed' : 'lost', times);
    if (!isOfChannel(task)) {
      task.fail(reason === undefined ? error : new ThreadExitError(task.call.name, reason));
      this.#ended(1);
    } else if (reason === undefined) {
      this.#conclude(task, Status.thrown, encodeThrown(error));
    } else {
      this.#conclude(task, Status.threadLost, reason);
    }
  }

  #onReturned(tasks: readonly ThreadTask[]): void {
    for (const task of tasks) if (isOfChannel(task)) this.#conclude(task, Status.returned, undefined);
  }

  /** The last word about a task of the channel that is not its thread's. */
  #conclude(task: ChannelTask, status: Status, value: unknown): void {
    try {
      this.#record(task.id, status, value);
    } catch (error) {
      // Threads can share with their host what cannot go on to the master.
      this.#record(task.id, Status.thrown, encodeThrown(error));
    }
    this.#ended(1);
    if (status !== Status.returned) this.#events.onEnded(1);
  }

  #record(id: number, status: Status, value: unknown): void {
    writeRecord(this.#scratch, id, status, 0, value);
    this.#events.onRecords(this.#scratch.take());
  }

  #ended(count: number): void {
    this.#active -= count;
    if (this.#active > 0) return;
    for (const resolve of this.#whenIdle) resolve();
    this.#whenIdle.clear();
  }
}
