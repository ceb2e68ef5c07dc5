/** A task in a worker process: one that came from the master, or a call of `this.pool.run()`. */

import type { Arrival, EncodedTask, TaskCall } from '../channel/tasks.ts';
import type { LocalReply } from './thread-protocol.ts';

export type ThreadTask = BatchTask | LocalTask;

/** Several of one kind go to a thread together. */
export type BatchTask = ChannelTask | RpcTask;

/** Its result goes to the master as it comes from the thread. */
export type ChannelTask = EncodedTask;

/**
 * A JSON-RPC call that this process has received, or a job that it has taken: many of them travel together, and their
 * results come as text.
 */
export interface RpcTask extends EncodedTask {
  /** All four known when it is submitted. */
  isAhead: boolean;
  isLong: boolean;
  /** How long it will run, as far as is known, ms. */
  expected: number;
  arrival: Arrival;
  /** The text of the response, in UTF-8. */
  settle(response: Buffer): void;
  /** It threw, or the thread that ran it was lost. */
  fail(error: unknown): void;
  /** It is over its time to run. */
  expire(): void;
}

/** Ids are `u32`, and those below are the master's. */
const firstRpcId = 2 ** 31;
let lastRpcId = 0;

/** For an `RpcTask`. */
export function nextRpcId(): number {
  lastRpcId = (lastRpcId + 1) % firstRpcId;
  return firstRpcId + lastRpcId;
}

export interface LocalTask {
  /** Below 0, unlike those of the master. */
  readonly id: number;
  readonly call: TaskCall;
  readonly payload: unknown;
  readonly arrival: Arrival;
  /** Of the caller, as `activeTrace()` gives it. */
  readonly trace: string;
  settle(reply: LocalReply): void;
  fail(error: unknown): void;
  /** It is over its time to run. */
  expire(): void;
}

export function isRpc(task: ThreadTask): task is RpcTask {
  return task.call.kind === 'rpc' || task.call.kind === 'job';
}

/** Of a batch, which holds one kind. */
export function areRpc(tasks: readonly ThreadTask[]): tasks is readonly RpcTask[] {
  return tasks[0] !== undefined && isRpc(tasks[0]);
}

/** Whether it came from the master. */
export function isOfChannel(task: ThreadTask): task is ChannelTask {
  return !isLocal(task) && !isRpc(task);
}

export function isLocal(task: ThreadTask): task is LocalTask {
  return task.id < 0;
}

/** Larger payloads do not go together with other tasks, bytes. */
const largest = 8 * 1024;

function isLarge(task: BatchTask): boolean {
  return task.end - task.start > largest || task.blobs.length > 0;
}

/** Whether it may go to a thread by way of the memory that it shares with its host. */
export function mayJoin(task: ThreadTask): task is BatchTask {
  return !isLocal(task) && !isLarge(task);
}

/** Whether its payload was handed over to a thread: it cannot be given to another one. */
export function isGone(task: ThreadTask): boolean {
  return !isLocal(task) && task.blobs.some(({ byteLength }) => byteLength === 0);
}

/** Whether it waits for a thread here, unless it is recalled. */
export function isAhead(task: ThreadTask): boolean {
  return !isLocal(task) && task.isAhead;
}

/** Whether it is expected to be long: nothing should wait behind it. Of a call of this process nothing is known. */
export function isLong(task: ThreadTask): boolean {
  return isLocal(task) || task.isLong;
}

/** Whether other tasks may go to a thread together with it. */
export function isShared(task: ThreadTask): boolean {
  return mayJoin(task) && !task.isLong;
}

/** Whether it goes back to the master where it would wait behind a long task. */
export function isReturnable(task: ThreadTask): task is ChannelTask {
  return isOfChannel(task) && !task.isAhead;
}
