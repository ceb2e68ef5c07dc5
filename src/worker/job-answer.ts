/** A job of a queue on its thread: JSON comes in, JSON goes out. */

import type { EncodedTask } from '../channel/tasks.ts';
import { isPromise } from '../promise.ts';
import type { RunningTask } from './running-task.ts';
import type { TaskFunction } from './task-module.ts';

/** How a job travels to its thread. */
export interface JobText {
  readonly id: string;
  readonly attempt: number;
  readonly data: unknown;
}

/** How its result comes back: how much its task has said of it, which takes another way, and the result. */
export type JobAnswer = readonly [said: number, result: unknown];

/** Throws, or rejects with, what the task does, and where its result is no JSON. */
export function answerJob(
  { bytes, start, end }: EncodedTask,
  run: TaskFunction,
  running: RunningTask,
): string | PromiseLike<string> {
  const { id, attempt, data }: JobText = JSON.parse(bytes.toString('utf8', start, end));
  const job = running.takeJob(id, attempt);
  // What is nothing in JSON, such as undefined, is null.
  const write = (result: unknown) => `[${job.said},${JSON.stringify(result) ?? 'null'}]`;
  const result = run(data, running);
  return isPromise(result) ? result.then(write) : write(result);
}
