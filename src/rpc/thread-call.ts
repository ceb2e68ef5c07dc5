/** A call on its way to a thread, and until that has answered it. */

import type { Arrival, TaskCall } from '../channel/tasks.ts';
import { QueueFullError, QueueTimeoutError, TaskTimeoutError } from '../errors.ts';
import { nextRpcId, type RpcTask } from '../worker/thread-task.ts';

/** The threads, as far as calls need them. */
export interface RpcThreads {
  /** Returns how many of them, from the first on, there is room for. */
  submitRpc(tasks: readonly RpcTask[]): number;
  /** Takes a task out that has not begun; returns whether it could. */
  takeBack(id: number): boolean;
  /** Ends a task, whether it has begun or not. */
  cancel(id: number): void;
}

export interface RpcLimits {
  readonly maxQueue: number;
  readonly queueTimeout: number;
}

/** Who asked for a call. Of the last two, one is called, once. */
export interface CallOwner {
  /** It will be run: there is room for it. */
  onAccepted(): void;
  onResponse(text: Buffer): void;
  onError(error: unknown): void;
}

const none: readonly Uint8Array[] = [];
const notArrived: Arrival = { at: 0 };

export class ThreadCall implements RpcTask {
  readonly id: number;
  readonly call: TaskCall;
  readonly trace: string;
  readonly bytes: Buffer;
  isAhead = false;
  isLong = false;
  expected = Number.POSITIVE_INFINITY;
  arrival: Arrival = notArrived;
  readonly blobs = none;
  readonly start = 0;
  readonly end: number;
  readonly #owner: CallOwner;
  readonly #threads: RpcThreads;
  #isSubmitted = false;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;

  /** `text`: the call, in JSON. */
  constructor(call: TaskCall, text: Buffer, trace: string, owner: CallOwner, threads: RpcThreads) {
    this.id = nextRpcId();
    this.call = call;
    this.trace = trace;
    this.bytes = text;
    this.end = text.length;
    this.#owner = owner;
    this.#threads = threads;
  }

  settle(response: Buffer): void {
    if (this.#finish()) this.#owner.onResponse(response);
  }

  fail(error: unknown): void {
    if (this.#finish()) this.#owner.onError(error);
  }

  expire(): void {
    this.fail(new TaskTimeoutError(this.call.name, this.call.timeout));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The threads have taken it. */
  accept(queueTimeout: number): void {
    this.#isSubmitted = true;
    this.#owner.onAccepted();
    if (queueTimeout > 0) this.#timer = setTimeout(() => this.#expireWait(queueTimeout), queueTimeout);
  }

  refuse(maxQueue: number): void {
    this.fail(new QueueFullError(maxQueue));
  }

  /** Nobody waits for it any more: its owner hears nothing. */
  cancel(): void {
    if (this.#finish() && this.#isSubmitted) this.#threads.cancel(this.id);
  }

  #expireWait(limit: number): void {
    if (this.#threads.takeBack(this.id)) this.fail(new QueueTimeoutError(this.call.name, limit));
  }

  /** Returns whether it was not over before. */
  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#timer);
    return true;
  }
}

/** Collects the calls of a turn of the event loop, so that they travel to the threads together. */
export class CallQueue {
  readonly #threads: RpcThreads;
  readonly #limits: RpcLimits;
  #calls: ThreadCall[] = [];

  constructor(threads: RpcThreads, limits: RpcLimits) {
    this.#threads = threads;
    this.#limits = limits;
  }

  add(call: ThreadCall): void {
    if (this.#calls.push(call) === 1) setImmediate(() => this.#submit());
  }

  #submit(): void {
    const calls = this.#calls.filter(({ isOver }) => !isOver);
    this.#calls = [];
    const accepted = this.#threads.submitRpc(calls);
    calls.forEach((call, i) => {
      if (i < accepted) call.accept(this.#limits.queueTimeout);
      else call.refuse(this.#limits.maxQueue);
    });
  }
}
