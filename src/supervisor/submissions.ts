/** Hands single tasks to the workers of a section, by the way that a pool's tasks take. */

import type { SectionConfig } from '../config/types.ts';
import { QueueFullError, TaskAbortError } from '../errors.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import { onAbort } from '../pool/abort.ts';
import { Calls } from '../pool/calls.ts';
import { Dispatcher } from '../pool/dispatcher.ts';
import { throwErrorOf } from '../pool/failure.ts';
import { PoolTask } from '../pool/pool-task.ts';

export interface SubmissionOptions {
  /** The exported function. Default: `default`. */
  readonly name?: string | undefined;
  /** How long the task may run, ms; 0: no limit. Default: `task_timeout`. */
  readonly timeout?: number | undefined;
  /** Its abort ends the task. */
  readonly signal?: AbortSignal | undefined;
}

export class Submissions {
  readonly #config: () => SectionConfig;
  #calls: Calls | undefined;
  /** What the calls have their limits from. */
  #called: SectionConfig | undefined;
  readonly #dispatcher = new Dispatcher({ onTimes: () => {}, onRetry: () => {} });
  #lastId = 0;

  /** `config`: the one in force, which changes with each reload. */
  constructor(config: () => SectionConfig) {
    this.#config = config;
  }

  /** Tasks that wait for a worker. */
  get queued(): number {
    return this.#dispatcher.queued;
  }

  /** Sends tasks to that worker from when it is ready until it ends. */
  attach(worker: WorkerProcess): void {
    this.#dispatcher.attach(worker);
  }

  /**
   * Resolves to the result of a task. Rejects with what the task threw, and with `QueueFullError`, `QueueTimeoutError`,
   * `TaskTimeoutError`, `TaskAbortError`, `UnknownTaskError`, `NoThreadsError`, `WorkerCrashError`, `PoolClosedError`.
   */
  async run(
    payload: unknown,
    { name = 'default', timeout, signal }: SubmissionOptions = {},
  ): Promise<unknown> {
    const { maxQueue, queueTimeout } = this.#config();
    if (maxQueue > 0 && this.queued >= maxQueue) throw new QueueFullError(maxQueue);
    if (signal?.aborted) throw new TaskAbortError(name, signal.reason);
    this.#lastId = (this.#lastId + 1) >>> 0;
    const call = this.#currentCalls().get('run', name, timeout);
    let cleanUp = () => {};
    const settled = { onSettled: () => cleanUp() };
    const result = new Promise((resolve, reject) => {
      const limits = { priority: 0, retries: 0, queueTimeout };
      const task = new PoolTask(this.#lastId, call, payload, { resolve, reject }, settled, limits);
      cleanUp = this.#watch(task, queueTimeout, signal);
      this.#dispatcher.submit(task);
    });
    return result.catch(throwErrorOf);
  }

  /** No worker will come, or not soon: what still waits is given up. */
  giveUp(error: Error): void {
    this.#dispatcher.rejectQueued(() => error);
  }

  #currentCalls(): Calls {
    const config = this.#config();
    if (!this.#calls || this.#called !== config) this.#calls = new Calls(config.taskTimeout, config.ts);
    this.#called = config;
    return this.#calls;
  }

  #watch(task: PoolTask, queueTimeout: number, signal: AbortSignal | undefined): () => void {
    const abort = () => this.#dispatcher.cancel(task, new TaskAbortError(task.call.name, signal?.reason));
    const forget = signal && onAbort(signal, abort);
    const expire = () => this.#dispatcher.expireWait(task);
    const timer = queueTimeout > 0 ? setTimeout(expire, queueTimeout) : undefined;
    return () => {
      clearTimeout(timer);
      forget?.();
    };
  }
}
