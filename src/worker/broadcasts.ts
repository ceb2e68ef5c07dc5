/** Tasks that run once on every thread. */

import type { MessagePort } from 'node:worker_threads';
import { decodeThrown } from '../channel/error-value.ts';
import type { EncodedTask } from '../channel/tasks.ts';
import { TaskTimeoutError, ThreadExitError } from '../errors.ts';
import type { HostMessage, LocalReply } from './thread-protocol.ts';

interface Broadcast {
  readonly task: EncodedTask;
  /** The threads that have not answered. */
  readonly open: Set<number>;
  readonly results: unknown[];
  readonly timer: NodeJS.Timeout | undefined;
  failure: { readonly error: unknown } | { readonly names: readonly string[] } | undefined;
}

export interface BroadcastEvents {
  readonly onDone: (task: EncodedTask, results: readonly unknown[]) => void;
  /** There is no task of that name, but these. */
  readonly onUnknown: (task: EncodedTask, names: readonly string[]) => void;
  readonly onFailed: (task: EncodedTask, error: unknown) => void;
  /** Its time is over: ends the thread, unless that is busy with a task and has not come to it. Returns whether it did. */
  readonly endThread: (threadId: number) => boolean;
  /** Nobody waits any more for what runs there. */
  readonly onAbort: (id: number, threadId: number) => void;
}

export class Broadcasts {
  readonly #events: BroadcastEvents;
  readonly #broadcasts = new Map<number, Broadcast>();

  constructor(events: BroadcastEvents) {
    this.#events = events;
  }

  start(task: EncodedTask, ports: ReadonlyMap<number, MessagePort>): void {
    const { id, call, bytes, start, end } = task;
    const timer = call.timeout > 0 ? setTimeout(() => this.#expire(id), call.timeout) : undefined;
    const open = new Set(ports.keys());
    const broadcast: Broadcast = { task, open, results: [], timer, failure: undefined };
    this.#broadcasts.set(id, broadcast);
    // There may be no thread where none has to be kept.
    this.#finishIfDone(broadcast);
    const payload = new Uint8Array(bytes.subarray(start, end));
    for (const port of ports.values())
      port.postMessage({ type: 'broadcast', id, call, payload } satisfies HostMessage);
  }

  answered(id: number, threadId: number, reply: LocalReply): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast?.open.delete(threadId)) return;
    if ('thrown' in reply) broadcast.failure ??= { error: decodeThrown(reply.thrown) };
    else if ('unknown' in reply) broadcast.failure ??= { names: reply.unknown };
    else broadcast.results.push(reply.result);
    this.#finishIfDone(broadcast);
  }

  /** The reply of that thread has been sent: if it has not come, it is one that cannot be read. */
  replied(id: number, threadId: number): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast?.open.delete(threadId)) return;
    const { name } = broadcast.task.call;
    broadcast.failure ??= {
      error: new RangeError(`the result of task ${name} is nested too deeply to be read`),
    };
    this.#finishIfDone(broadcast);
  }

  /** `mayEnd`: there are threads that are let go when they have nothing else to do; then it is no failure. */
  threadEnded(threadId: number, mayEnd: boolean): void {
    for (const broadcast of this.#broadcasts.values()) {
      if (!broadcast.open.delete(threadId)) continue;
      if (!mayEnd)
        broadcast.failure ??= { error: new ThreadExitError(broadcast.task.call.name, 'it exited') };
      this.#finishIfDone(broadcast);
    }
  }

  /** Nobody waits for it any more. Undefined where it is not under way. */
  takeOut(id: number): EncodedTask | undefined {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast) return undefined;
    clearTimeout(broadcast.timer);
    this.#broadcasts.delete(id);
    for (const threadId of broadcast.open) this.#events.onAbort(id, threadId);
    return broadcast.task;
  }

  #expire(id: number): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast) return;
    const { name, timeout } = broadcast.task.call;
    broadcast.failure ??= { error: new TaskTimeoutError(name, timeout) };
    // The end of a thread is what answers for it.
    for (const threadId of broadcast.open) {
      if (this.#events.endThread(threadId)) continue;
      broadcast.open.delete(threadId);
      this.#events.onAbort(id, threadId);
    }
    this.#finishIfDone(broadcast);
  }

  #finishIfDone({ task, open, results, timer, failure }: Broadcast): void {
    if (open.size > 0) return;
    clearTimeout(timer);
    this.#broadcasts.delete(task.id);
    if (failure && 'names' in failure) this.#events.onUnknown(task, failure.names);
    else if (failure) this.#events.onFailed(task, failure.error);
    else this.#events.onDone(task, results);
  }
}
