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
  failure: { readonly error: unknown } | undefined;
}

export interface BroadcastEvents {
  readonly onDone: (task: EncodedTask, results: readonly unknown[]) => void;
  readonly onFailed: (task: EncodedTask, error: unknown) => void;
  /** Its time is over on that thread. */
  readonly onOverdue: (threadId: number) => void;
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
    this.#broadcasts.set(id, { task, open, results: [], timer, failure: undefined });
    const payload = new Uint8Array(bytes.subarray(start, end));
    for (const port of ports.values())
      port.postMessage({ type: 'broadcast', id, call, payload } satisfies HostMessage);
  }

  answered(id: number, threadId: number, reply: LocalReply): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast?.open.delete(threadId)) return;
    if ('thrown' in reply) broadcast.failure ??= { error: decodeThrown(reply.thrown) };
    else broadcast.results.push(reply.result);
    this.#finishIfDone(broadcast);
  }

  threadEnded(threadId: number): void {
    for (const broadcast of this.#broadcasts.values()) {
      if (!broadcast.open.delete(threadId)) continue;
      broadcast.failure ??= { error: new ThreadExitError(broadcast.task.call.name, 'it exited') };
      this.#finishIfDone(broadcast);
    }
  }

  /** Nobody waits for it any more; what runs is left to end. Undefined where it is not under way. */
  takeOut(id: number): EncodedTask | undefined {
    const broadcast = this.#broadcasts.get(id);
    clearTimeout(broadcast?.timer);
    this.#broadcasts.delete(id);
    return broadcast?.task;
  }

  #expire(id: number): void {
    const broadcast = this.#broadcasts.get(id);
    if (!broadcast) return;
    const { name, timeout } = broadcast.task.call;
    broadcast.failure ??= { error: new TaskTimeoutError(name, timeout) };
    // Their end is what finishes it.
    for (const threadId of broadcast.open) this.#events.onOverdue(threadId);
  }

  #finishIfDone({ task, open, results, timer, failure }: Broadcast): void {
    if (open.size > 0) return;
    clearTimeout(timer);
    this.#broadcasts.delete(task.id);
    if (failure) this.#events.onFailed(task, failure.error);
    else this.#events.onDone(task, results);
  }
}
