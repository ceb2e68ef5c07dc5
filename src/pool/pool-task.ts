/** One task from its submission until nobody owes it anything any more. */

import type { Thrown } from '../channel/error-value.ts';
import type { TaskCall } from '../channel/tasks.ts';
import { activeTrace } from '../trace-context.ts';
import type { WorkerLink } from './worker-link.ts';

/** What a task comes to, for whoever waits for it. */
export interface TaskOutcome {
  /** Its result. */
  resolve(value: unknown): void;
  /** What it threw comes encoded: it is to be decoded where the stack of the caller is at hand. */
  reject(failure: TaskFailure): void;
  /** Of a stream. */
  item?(value: unknown): void;
}

/** Who keeps count of tasks. */
export interface TaskObserver {
  onSettled(task: PoolTask, failure: TaskFailure | undefined): void;
}

export interface TaskLimits {
  readonly priority: number;
  /** How often it may be run again after what ran it was lost. */
  readonly retries: number;
  /** Longest wait, ms; 0: none. */
  readonly queueTimeout: number;
}

export type TaskFailure = { readonly thrown: Thrown } | { readonly error: Error };

export class PoolTask {
  readonly id: number;
  readonly payload: unknown;
  readonly priority: number;
  readonly outcome: TaskOutcome;
  readonly #observer: TaskObserver;
  readonly retries: number;
  readonly queueTimeout: number;
  call: TaskCall;
  readonly trace = activeTrace();
  /** By `performance.now()`. */
  readonly submittedAt: number;
  /** Where it has been sent; undefined while it waits here. */
  link: WorkerLink | undefined;
  /** What it counts for there, ms; infinite: it keeps a thread for itself. */
  load = 0;
  /** Nobody waits for it any more. */
  isSettled = false;
  /** It waited for longer than it may: it is only run if it had begun by then. */
  isOverdue = false;
  /** Ends what was set up for it: a time limit, a listener. */
  cleanUp: (() => void) | undefined;
  /** Its neighbours in the queue. */
  previous: PoolTask | undefined;
  next: PoolTask | undefined;

  constructor(
    id: number,
    call: TaskCall,
    payload: unknown,
    outcome: TaskOutcome,
    observer: TaskObserver,
    limits: TaskLimits,
  ) {
    this.id = id;
    this.call = call;
    this.payload = payload;
    this.outcome = outcome;
    this.#observer = observer;
    this.priority = limits.priority;
    this.retries = limits.retries;
    this.queueTimeout = limits.queueTimeout;
    this.submittedAt = performance.now();
  }

  /** A second answer, such as that of a task that was cancelled while it ran, is nobody's. */
  resolve(value: unknown): void {
    if (this.#settle()) {
      this.outcome.resolve(value);
      this.#observer.onSettled(this, undefined);
    }
  }

  reject(failure: TaskFailure): void {
    if (this.#settle()) {
      this.outcome.reject(failure);
      this.#observer.onSettled(this, failure);
    }
  }

  /** Whether it may be run once more after it was lost. */
  get mayRetry(): boolean {
    return !this.isSettled && this.call.attempt <= this.retries;
  }

  #settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.cleanUp?.();
    return true;
  }
}
