/** How what becomes of JSON-RPC calls on a thread gets back to them. */

import { decodeThrown, type Thrown } from '../channel/error-value.ts';
import { forEachRecord, Status, type TaskRecord, valueOfRecord } from '../channel/records.ts';
import type { RunTimes } from '../channel/run-times.ts';
import { UnknownTaskError } from '../errors.ts';
import type { RpcTask } from './thread-task.ts';

/**
 * `bytes`: records of a batch, `tasks`: those of the batch. They are searched and not kept in a Map, whose memory V8 would
 * soon hold to be old, and with it for a while whatever it has held.
 */
export function settleRpcTasks(bytes: Uint8Array, tasks: readonly RpcTask[], runTimes: RunTimes): void {
  let place = 0;
  forEachRecord(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), record => {
    // They come in the order of the tasks, but for long ones, which take another way.
    const at = tasks[place]?.id === record.id ? place : tasks.findIndex(({ id }) => id === record.id);
    const task = tasks[at];
    if (!task) return;
    place = at + 1;
    runTimes.record(task.call.name, record.runTime);
    if (record.status === Status.done) task.settle(record.bytes.subarray(record.start, record.end));
    else task.fail(errorOf(task, record));
  });
}

function errorOf({ call }: RpcTask, record: TaskRecord): unknown {
  const value = valueOfRecord(record);
  return record.status === Status.unknown
    ? new UnknownTaskError(call.name, value as string[])
    : decodeThrown(value as Thrown);
}
