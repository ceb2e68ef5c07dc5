/** A JSON-RPC call on its thread: the text of the call comes in, that of the response goes out. */

import type { EncodedTask } from '../channel/tasks.ts';
import { isPromise } from '../promise.ts';
import { type CallMessage, payloadOf } from '../rpc/protocol.ts';
import { responseText } from '../rpc/response-text.ts';
import type { TaskContext, TaskFunction } from './task-module.ts';

/** Throws, or rejects with, what the task does. Nobody reads what becomes of a notification. */
export function answerCall(
  { call, bytes, start, end }: EncodedTask,
  run: TaskFunction,
  context: TaskContext,
): string | PromiseLike<string> {
  const { params, id }: CallMessage = JSON.parse(bytes.toString('utf8', start, end));
  const write = (result: unknown) => (id === undefined ? '' : responseText(call.name, result, id));
  const result = run(payloadOf(params), context);
  return isPromise(result) ? result.then(write) : write(result);
}
