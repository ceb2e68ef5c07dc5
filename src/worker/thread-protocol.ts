/** What a thread of the pool and its host tell each other, beside Piscina's own messages. */

import type { MessagePort } from 'node:worker_threads';
import type { ErrorReport, ModuleSource } from '../channel/control.ts';
import type { Thrown } from '../channel/error-value.ts';
import type { TaskCall } from '../channel/tasks.ts';
import type { TaskProgress } from './task-module.ts';

/** What every thread finds in its environment data under `setupKey`; `workerData` is the user's. */
export interface ThreadSetup {
  readonly source: ModuleSource;
  /** Whether a thread may sleep for a moment at the end of a batch: where it runs one task at a time. */
  readonly mayLinger: boolean;
  /** By number of the lane. */
  readonly lanes: readonly SharedArrayBuffer[];
}

export const setupKey = 'processhandler.threads';

/** Tasks of the channel: they come and go encoded, and the thread answers with the number of its `records` messages. */
export interface Batch {
  readonly lane: number;
  /** Absent: all of them stand in the memory of the lane. */
  readonly tasks?: Uint8Array;
  /** What the only task refers to. */
  readonly blobs: readonly Uint8Array[];
}

/** One call from within the process: its values travel as messages between threads do. */
export interface LocalCall {
  readonly lane: number;
  readonly id: number;
  readonly call: TaskCall;
  readonly payload: unknown;
  /** By `clock()`. */
  readonly arrivedAt: number;
  readonly trace: string;
}

export type LocalReply =
  | { readonly result: unknown }
  | { readonly thrown: Thrown }
  /** There is no task of that name, but these. */
  | { readonly unknown: readonly string[] };

export type JobNews = { readonly progress: TaskProgress } | { readonly log: string };

export type ThreadMessage =
  | { readonly type: 'loaded'; readonly threadId: number; readonly port: MessagePort }
  | { readonly type: 'load-failed'; readonly error: ErrorReport }
  /** Records that cannot wait for the end of the batch, or find no room in the memory of the lane. */
  | {
      readonly type: 'records';
      readonly lane: number;
      readonly bytes: Uint8Array;
      /** What the only record refers to. */
      readonly blobs: readonly Uint8Array[];
    }
  /** A reply to a local task is on its way that the host may not be able to read: its stack is smaller. */
  | { readonly type: 'replied'; readonly lane: number; readonly id: number }
  /** There are results to be fetched from the memory of the lane. */
  | { readonly type: 'results'; readonly lane: number }
  /** What a task says of the job that it runs. */
  | { readonly type: 'job'; readonly id: number; readonly news: JobNews }
  | {
      readonly type: 'broadcast';
      readonly id: number;
      readonly threadId: number;
      readonly reply: LocalReply;
    }
  /** Follows it: a reply that has not come by then cannot be read. */
  | { readonly type: 'broadcast-replied'; readonly id: number; readonly threadId: number };

/** What the host says on the port of one thread. */
export type HostMessage =
  | { readonly type: 'abort'; readonly id: number; readonly reason: AbortReason }
  | { readonly type: 'credit'; readonly id: number; readonly items: number }
  | {
      readonly type: 'broadcast';
      readonly id: number;
      readonly call: TaskCall;
      readonly trace: string;
      readonly payload: Uint8Array;
    };

/** Why a running task is to end: nobody waits for it any more, or it is over its time. */
export type AbortReason = 'cancelled' | 'timed out';

const threadMessages: ReadonlySet<unknown> = new Set<ThreadMessage['type']>([
  'loaded',
  'load-failed',
  'records',
  'replied',
  'results',
  'job',
  'broadcast',
  'broadcast-replied',
]);

export function isThreadMessage(message: unknown): message is ThreadMessage {
  return threadMessages.has((message as { type?: unknown } | null | undefined)?.type);
}
