/** One call of `this.pool.run()`: its limits, and why it was given up. */

import type { TaskCall } from '../channel/tasks.ts';
import { QueueTimeoutError, TaskAbortError, TaskTimeoutError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import { activeTrace } from '../trace-context.ts';
import { clock } from './lane-memory.ts';
import type { LocalReply } from './thread-protocol.ts';
import type { LocalTask } from './thread-task.ts';

export interface LocalRunOptions {
  readonly signal: AbortSignal | undefined;
  readonly queueTimeout: number;
  /** Aborted while the task waits or runs. */
  readonly onAbort: (id: number) => void;
  /** Its time to wait is over: takes the task out if it has not begun, and returns whether it could. */
  readonly takeBack: (id: number) => boolean;
}

export class LocalRun implements LocalTask {
  readonly id: number;
  readonly call: TaskCall;
  readonly payload: unknown;
  readonly arrival = { at: clock() };
  readonly trace = activeTrace();
  readonly #options: LocalRunOptions;
  readonly #outcome = withResolvers<LocalReply>();
  #timer: NodeJS.Timeout | undefined;

  constructor(id: number, call: TaskCall, payload: unknown, options: LocalRunOptions) {
    this.id = id;
    this.call = call;
    this.payload = payload;
    this.#options = options;
    const { signal, queueTimeout } = options;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (queueTimeout > 0) this.#timer = setTimeout(() => this.#expireWait(), queueTimeout);
  }

  /** Settles with the first of: what the thread replies, a limit, an abort. */
  get outcome(): Promise<LocalReply> {
    return this.#outcome.promise;
  }

  settle(reply: LocalReply): void {
    this.#finish(() => this.#outcome.resolve(reply));
  }

  fail(error: unknown): void {
    this.#finish(() => this.#outcome.reject(error));
  }

  /** It is over its time to run. */
  expire(): void {
    this.fail(new TaskTimeoutError(this.call.name, this.call.timeout));
  }

  #expireWait(): void {
    const { queueTimeout } = this.#options;
    if (this.#options.takeBack(this.id)) this.fail(new QueueTimeoutError(this.call.name, queueTimeout));
  }

  #onAbort = (): void => {
    this.fail(new TaskAbortError(this.call.name, this.#options.signal?.reason));
    this.#options.onAbort(this.id);
  };

  #finish(settle: () => void): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    settle();
  }
}
