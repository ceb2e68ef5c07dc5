/** Tasks that run once on every thread. */

import type { MessagePort } from 'node:worker_threads';
import { encodeThrown } from '../channel/error-value.ts';
import { Status } from '../channel/records.ts';
import type { Outcome } from '../channel/statistics.ts';
import type { EncodedTask } from '../channel/tasks.ts';
import type { AbortReason, HostMessage, LocalReply } from './thread-protocol.ts';

interface Broadcast {
  readonly task: EncodedTask;
  /** The threads that have not answered. */
  readonly open: Set<number>;
  readonly results: unknown[];
  timer: NodeJS.Timeout | undefined;
  /** The first that went wrong. */
  failure: Failure | undefined;
}

interface Failure {
  readonly status: Status;
  readonly value: unknown;
  readonly outcome: Outcome;
}

export interface BroadcastEvents {
  /** It is over. */
  readonly onDone: (task: EncodedTask, status: Status, value: unknown, outcome: Outcome) => void;
  /** Its time is over; its end follows. */
  readonly onTimedOut: (task: EncodedTask) => void;
  /** Nobody waits any more for what runs there. */
  readonly onAbort: (id: number, threadId: number, reason: AbortReason) => void;
  /** Ends the thread, unless that is busy with a task and has not come to it. Returns whether it did. */
  readonly endThread: (threadId: number) => boolean;
}

export class Broadcasts {
  readonly #abortGrace: number;
  readonly #events: BroadcastEvents;
  readonly #broadcasts = new Map<number, Broadcast>();

  constructor(abortGrace: number, events: BroadcastEvents) {
    this.#abortGrace = abortGrace;
    this.#events = events;
  }

  start(task: EncodedTask, ports: ReadonlyMap<number, MessagePort>): void {
    const { id, call, trace, bytes, start, end } = task;
    const timer = call.timeout > 0 ? setTimeout(() => this.#expire(id), call.timeout) : undefined;
    const broadcast: Broadcast = {
      task,
      open: new Set(ports.keys()),
      results: [],
      timer,
      failure: undefined,
    };
    this.#broadcasts.set(id, broadcast);
    const payload = new Uint8Array(bytes.subarray(start, end));
    for (const port of ports.values()) {
      port.postMessage({ type: 'broadcast', id, call, trace, payload } satisfies HostMessage);
    }
    // There may be no thread where none has to be kept.
    this.#finishIfDone(broadcast);
  }

  answered(id: number, threadId: number, reply: LocalReply): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast?.open.delete(threadId)) return;
    if ('thrown' in reply) broadcast.failure ??= failed(Status.thrown, reply.thrown);
    else if ('unknown' in reply) broadcast.failure ??= failed(Status.unknown, reply.unknown);
    else broadcast.results.push(reply.result);
    this.#finishIfDone(broadcast);
  }

  /** The reply of that thread has been sent: if it has not come, it is one that cannot be read. */
  replied(id: number, threadId: number): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast?.open.delete(threadId)) return;
    const { name } = broadcast.task.call;
    const error = new RangeError(`the result of task ${name} is nested too deeply to be read`);
    broadcast.failure ??= failed(Status.thrown, encodeThrown(error));
    this.#finishIfDone(broadcast);
  }

  /** `mayEnd`: there are threads that are let go when they have nothing else to do; then it is no failure. */
  threadEnded(threadId: number, mayEnd: boolean): void {
    for (const broadcast of this.#broadcasts.values()) {
      if (!broadcast.open.delete(threadId)) continue;
      if (!mayEnd) broadcast.failure ??= { status: Status.threadLost, value: 'it exited', outcome: 'lost' };
      this.#finishIfDone(broadcast);
    }
  }

  /** Nobody waits for it any more. Returns whether it is under way; its end follows then. */
  cancel(id: number): boolean {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast) return false;
    broadcast.failure = { status: Status.ended, value: undefined, outcome: 'cancelled' };
    this.#abort(broadcast, 'cancelled');
    return true;
  }

  close(): void {
    for (const { timer } of this.#broadcasts.values()) clearTimeout(timer);
  }

  #expire(id: number): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast) return;
    broadcast.failure = { status: Status.ended, value: undefined, outcome: 'timed-out' };
    this.#events.onTimedOut(broadcast.task);
    this.#abort(broadcast, 'timed out');
  }

  /** Threads that do not answer within the grace time are ended, and that answers for them. */
  #abort(broadcast: Broadcast, reason: AbortReason): void {
    const { task, open } = broadcast;
    for (const threadId of open) this.#events.onAbort(task.id, threadId, reason);
    clearTimeout(broadcast.timer);
    broadcast.timer = setTimeout(() => {
      for (const threadId of open) if (!this.#events.endThread(threadId)) open.delete(threadId);
      this.#finishIfDone(broadcast);
    }, this.#abortGrace);
  }

  #finishIfDone(broadcast: Broadcast): void {
    const { task, open, results, timer, failure } = broadcast;
    if (open.size > 0 || this.#broadcasts.get(task.id) !== broadcast) return;
    clearTimeout(timer);
    this.#broadcasts.delete(task.id);
    const { status, value, outcome } = failure ?? { status: Status.done, value: results, outcome: 'done' };
    this.#events.onDone(task, status, value, outcome);
  }
}

function failed(status: Status, value: unknown): Failure {
  return { status, value, outcome: 'failed' };
}
