/** A task in a worker process: one that came from the master, or a call of `this.pool.run()`. */

import type { EncodedTask, TaskCall } from '../channel/tasks.ts';
import type { LocalReply } from './thread-protocol.ts';

export type ThreadTask = ChannelTask | LocalTask;

/** Its result goes to the master as it comes from the thread. */
export type ChannelTask = EncodedTask;

export interface LocalTask {
  /** Below 0, unlike those of the master. */
  readonly id: number;
  readonly call: TaskCall;
  readonly payload: unknown;
  settle(reply: LocalReply): void;
  fail(error: unknown): void;
  /** It is over its time to run. */
  expire(): void;
}

export function isLocal(task: ThreadTask): task is LocalTask {
  return task.id < 0;
}
