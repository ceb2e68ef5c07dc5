/** The two-tier pool: a group of worker processes, a dispatcher in front of it, and what its caller sees of both. */

import { EventEmitter } from 'node:events';
import type { TaskCall } from '../channel/tasks.ts';
import { timeLimit } from '../channel/time-limit.ts';
import { type EndTrace, type TaskTrace, taskChannel, traceUntilEnd } from '../diagnostics.ts';
import { PoolClosedError, QueueFullError, TaskAbortError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import { onAbort } from './abort.ts';
import { Calls } from './calls.ts';
import { Dispatcher, infoOf } from './dispatcher.ts';
import { errorOf, throwErrorOf } from './failure.ts';
import { mapTasks } from './map.ts';
import type { ResolvedPoolOptions } from './options.ts';
import type { PoolEvents, PoolStats } from './pool-events.ts';
import { PoolTask, type TaskFailure, type TaskObserver, type TaskOutcome } from './pool-task.ts';
import { Processes } from './processes.ts';
import { checkRunOptions } from './run-options.ts';
import { Statistics } from './statistics.ts';
import { StreamReader } from './stream-reader.ts';
import type { TimeSummary } from './times.ts';
import type { BroadcastOptions, MapOptions, RunOptions, StreamOptions } from './types.ts';

const standardWindow = 16;
const standardName = 'default';

type PoolState = 'starting' | 'open' | 'closing' | 'closed';

export class TwoTierPool extends EventEmitter<PoolEvents> implements TaskObserver {
  readonly #options: ResolvedPoolOptions;
  /** Tasks that run at a time where all processes are there. */
  readonly #slots: number;
  readonly #calls: Calls;
  readonly #dispatcher: Dispatcher;
  readonly #processes: Processes;
  readonly #statistics = new Statistics();
  #state: PoolState = 'starting';
  #closing: Promise<void> | undefined;
  #lastId = 0;
  /** Tasks that have not settled. */
  #pending = 0;
  /** Broadcasts that wait for a process. */
  #waiting = 0;
  #whenIdle: (() => void) | undefined;
  #needsDrain = false;

  constructor(options: ResolvedPoolOptions) {
    super();
    const { config } = options;
    this.#options = options;
    this.#slots = config.numberWorkers * config.threads * config.concurrentTasksPerWorker;
    this.#calls = new Calls(config.taskTimeout, config.ts);
    this.#dispatcher = new Dispatcher({
      onTimes: (waitTime, runTime) => this.#statistics.record(waitTime, runTime),
      onRetry: () => {
        this.#statistics.retried++;
      },
    });
    this.#processes = new Processes(options, this.#dispatcher, {
      onReady: process => this.#tell('process:ready', process),
      onExit: process => this.#tell('process:exit', process),
      onError: error => this.#report(error),
    });
  }

  /** Resolves when the worker processes are ready. Rejects with a `BootError` where none of them could boot. */
  async start(): Promise<void> {
    await this.#processes.start();
    this.#state = 'open';
    this.#keepAlive();
  }

  run(payload?: unknown, options: RunOptions = {}): Promise<unknown> {
    if (!taskChannel.hasSubscribers) return this.#begin(payload, options);
    const message: TaskTrace = { kind: 'run', name: options?.name ?? standardName, payload };
    return taskChannel.tracePromise(() => this.#begin(payload, options), message);
  }

  #begin(payload: unknown, options: RunOptions): Promise<unknown> {
    // No async function: promises and what hangs on them are most of what a tiny task costs.
    const outcome = new Promise<unknown>((resolve, reject) => {
      try {
        checkRunOptions(options);
        this.#run(payload, { resolve, reject }, options);
      } catch (error) {
        reject({ error });
      }
    });
    return outcome.then(undefined, throwErrorOf);
  }

  async *map(
    items: Iterable<unknown> | AsyncIterable<unknown>,
    options: MapOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    const { concurrency = Math.max(64, 4 * this.#slots), ordered = true, ...runOptions } = options;
    if (!(Number.isInteger(concurrency) && concurrency > 0)) {
      throw new RangeError('concurrency must be an integer above 0');
    }
    const leave = new AbortController();
    const signal = runOptions.signal ? AbortSignal.any([runOptions.signal, leave.signal]) : leave.signal;
    try {
      yield* mapTasks(items, item => this.run(item, { ...runOptions, signal }), { concurrency, ordered });
    } finally {
      // Whoever leaves early, by an error or `break`, waits for none of the others.
      leave.abort();
    }
  }

  async *stream(payload?: unknown, options: StreamOptions = {}): AsyncGenerator<unknown, void, undefined> {
    checkRunOptions(options);
    const { name = standardName, timeout, highWaterMark: window = standardWindow } = options;
    if (!(Number.isInteger(window) && window > 0)) {
      throw new RangeError('highWaterMark must be an integer above 0');
    }
    const reader = new StreamReader(window, items => task.link?.credit(task, items));
    // Never run again: its reader has had a part of it.
    const limits = { ...options, retries: 0 };
    const call = this.#calls.get('stream', name, timeout, window);
    let endTrace: EndTrace | undefined;
    const submit = (end?: EndTrace) => {
      endTrace = end;
      return this.#submit(call, payload, reader, limits);
    };
    const task = taskChannel.hasSubscribers
      ? traceUntilEnd(taskChannel, { kind: 'stream', name, payload } satisfies TaskTrace, submit)
      : submit();
    try {
      yield* reader.read();
    } catch (failure) {
      endTrace?.(errorOf(failure as TaskFailure));
      throwErrorOf(failure as TaskFailure);
    } finally {
      if (!reader.isOver) this.#dispatcher.cancel(task, new TaskAbortError(name, 'its reader left'));
      endTrace?.();
    }
  }

  broadcast(payload?: unknown, options: BroadcastOptions = {}): Promise<unknown[]> {
    if (!taskChannel.hasSubscribers) return this.#broadcast(payload, options);
    const message: TaskTrace = { kind: 'broadcast', name: options?.name ?? standardName, payload };
    return taskChannel.tracePromise(() => this.#broadcast(payload, options), message);
  }

  async #broadcast(payload: unknown, options: BroadcastOptions): Promise<unknown[]> {
    checkRunOptions(options);
    const { name = standardName, timeout } = options;
    this.#assertOpen();
    await this.#untilProcess();
    const call = this.#calls.get('broadcast', name, timeout);
    const results = this.#dispatcher.openLinks.map(link => {
      const { promise, resolve, reject } = withResolvers<unknown>();
      const task = this.#createTask(call, payload, { resolve, reject }, { ...options, retries: 0 });
      this.#dispatcher.sendTo(link, task);
      return promise;
    });
    try {
      return (await Promise.all(results)).flat(1);
    } catch (failure) {
      return throwErrorOf(failure as TaskFailure);
    }
  }

  /** Tasks that wait for a thread. */
  get queueSize(): number {
    return Math.max(0, this.#pending - this.#slots);
  }

  /** Tasks that have a result or an error. */
  get completed(): number {
    return this.#statistics.completed + this.#statistics.failed;
  }

  /** Ms since the pool was made. */
  get duration(): number {
    return this.#statistics.duration;
  }

  /** Which part of the time that all threads had was spent in tasks, 0 to 1. */
  get utilization(): number {
    return this.#statistics.utilization(this.#slots);
  }

  /** Whether all threads have work; `drain` follows when one has none. */
  get needsDrain(): boolean {
    return this.#needsDrain;
  }

  /** How long tasks waited and ran. */
  get histogram(): {
    waitTime: TimeSummary;
    runTime: TimeSummary;
    resetWaitTime(): void;
    resetRunTime(): void;
  } {
    const { waitTimes, runTimes } = this.#statistics;
    return {
      waitTime: waitTimes.summary,
      runTime: runTimes.summary,
      resetWaitTime: () => waitTimes.reset(),
      resetRunTime: () => runTimes.reset(),
    };
  }

  get stats(): PoolStats {
    const { completed, failed, retried, waitTimes, runTimes } = this.#statistics;
    return {
      state: this.#state === 'open' ? this.#processes.state : this.#state,
      queueSize: this.queueSize,
      pending: this.#pending,
      completed,
      failed,
      retried,
      crashes: this.#processes.crashes,
      utilization: this.utilization,
      duration: this.duration,
      waitTime: waitTimes.summary,
      runTime: runTimes.summary,
      processes: this.#processes.workers.map(worker => {
        const { outstanding = 0, completed = 0 } = this.#dispatcher.link(worker) ?? {};
        const { index, pid, state, servedFor: uptime, heartbeat } = worker;
        return { index, pid, state, uptime, outstanding, completed, rss: heartbeat?.rss ?? 0 };
      }),
    };
  }

  /**
   * Takes no more tasks, and resolves when those that it has are done and all processes have ended. After
   * `gracefulTimeout` the rest is given up.
   *
   * @param options `force`: tasks that have not been sent to a process are rejected with a `PoolClosedError`
   */
  close({ force = false }: { readonly force?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close();
    if (force) {
      this.#dispatcher.rejectQueued(() => new PoolClosedError('the pool was closed before the task began'));
    }
    return this.#closing;
  }

  /** Ends all processes at once, and resolves when they are gone; tasks are rejected with a `PoolClosedError`. */
  async destroy(): Promise<void> {
    this.#giveUp('the pool was destroyed');
    await this.#processes.quit();
    this.#state = 'closed';
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Of each task, once. */
  onSettled(task: PoolTask, failure: TaskFailure | undefined): void {
    this.#pending--;
    if (failure) this.#onFailed(task, failure);
    else this.#statistics.completed++;
    if (this.#needsDrain && this.#pending < this.#slots) {
      this.#needsDrain = false;
      this.#tell('drain');
    }
    if (this.#pending > 0) return;
    this.#keepAlive();
    this.#whenIdle?.();
  }

  #onFailed(task: PoolTask, failure: TaskFailure): void {
    this.#statistics.failed++;
    if (this.listenerCount('task:error') > 0) this.#tell('task:error', errorOf(failure), infoOf(task));
  }

  /** Later, so that a listener that throws breaks nothing here. */
  #tell<Name extends keyof PoolEvents>(name: Name, ...args: PoolEvents[Name]): void {
    process.nextTick(() => (this as EventEmitter).emit(name, ...args));
  }

  /** Resolves when there is a process to send to. */
  async #untilProcess(): Promise<void> {
    this.#waiting++;
    this.#keepAlive();
    try {
      while (this.#dispatcher.openLinks.length === 0) {
        await this.#processes.change;
        this.#assertOpen();
      }
    } finally {
      this.#waiting--;
      this.#keepAlive();
    }
  }

  #run(payload: unknown, outcome: TaskOutcome, options: RunOptions): void {
    const { name = standardName, filename, timeout } = options;
    if (!filename) {
      this.#submit(this.#calls.get('run', name, timeout), payload, outcome, options);
      return;
    }
    this.#calls
      .ofModule(filename, name, timeout)
      .then(call => this.#submit(call, payload, outcome, options))
      .catch(error => outcome.reject({ error }));
  }

  /** Throws what keeps the pool from taking the task. */
  #submit(call: TaskCall, payload: unknown, outcome: TaskOutcome, options: RunOptions): PoolTask {
    this.#assertOpen();
    const { maxQueue } = this.#options;
    if (this.#pending >= this.#slots + maxQueue) throw new QueueFullError(maxQueue);
    const task = this.#createTask(call, payload, outcome, options);
    this.#dispatcher.submit(task);
    return task;
  }

  #createTask(call: TaskCall, payload: unknown, outcome: TaskOutcome, options: RunOptions): PoolTask {
    const { signal, priority = 0, retries = this.#options.retries } = options;
    const queueTimeout = timeLimit(options.queueTimeout ?? this.#options.config.queueTimeout);
    if (signal?.aborted) throw new TaskAbortError(call.name, signal.reason);
    this.#lastId = (this.#lastId + 1) >>> 0;
    const task = new PoolTask(this.#lastId, call, payload, outcome, this, {
      priority,
      retries,
      queueTimeout,
    });
    if (queueTimeout > 0 || signal) task.cleanUp = this.#watch(task, signal, queueTimeout);
    this.#pending++;
    if (this.#pending === 1) this.#keepAlive();
    if (this.#pending >= this.#slots) this.#needsDrain = true;
    return task;
  }

  #watch(task: PoolTask, signal: AbortSignal | undefined, queueTimeout: number): () => void {
    const abort = () => this.#dispatcher.cancel(task, new TaskAbortError(task.call.name, signal?.reason));
    const forget = signal && onAbort(signal, abort);
    const timer =
      queueTimeout > 0 ? setTimeout(() => this.#dispatcher.expireWait(task), queueTimeout) : undefined;
    return () => {
      clearTimeout(timer);
      forget?.();
    };
  }

  #assertOpen(): void {
    if (this.#state === 'closing' || this.#state === 'closed')
      throw new PoolClosedError('the pool is closed');
    const { failure } = this.#processes;
    if (failure) throw failure;
  }

  /** An error that no task is to blame for. That nobody listens must not end the whole program. */
  #report(error: Error): void {
    if (this.listenerCount('error') > 0) this.#tell('error', error);
    else process.emitWarning(error);
  }

  /** A pool without work does not keep its program alive. */
  #keepAlive(): void {
    this.#processes.keepAlive(this.#pending + this.#waiting > 0 || this.#state === 'closing');
  }

  async #close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closing';
    this.#keepAlive();
    const { gracefulTimeout } = this.#options.config;
    const limit = setTimeout(() => {
      this.#giveUp(
        `the pool was closed, and the task not done ${gracefulTimeout} ms later (gracefulTimeout)`,
      );
      void this.#processes.quit();
    }, gracefulTimeout);
    await new Promise<void>(resolve => {
      this.#whenIdle = resolve;
      if (this.#pending === 0) resolve();
    });
    clearTimeout(limit);
    await this.#processes.stop();
    this.#state = 'closed';
  }

  #giveUp(reason: string): void {
    this.#state = 'closing';
    this.#dispatcher.rejectQueued(() => new PoolClosedError(reason));
    this.#dispatcher.rejectSent(() => new PoolClosedError(reason));
  }
}
