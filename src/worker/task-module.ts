/** Loads the user's file and finds out what it offers: tasks, a Worker class, or both. */

import { pathToFileURL } from 'node:url';
import type { ModuleSource } from '../channel/control.ts';
import { TaskModuleError } from '../errors.ts';
import { isWorkerClass, type WorkerClass } from './worker.ts';

export type TaskFunction = (payload: unknown, context: TaskContext) => unknown;

/** What a task gets as its second argument. */
export interface TaskContext {
  /** Id of the thread that runs it, as `worker_threads.threadId`. */
  readonly threadId: number;
  /** Name that it was called by. */
  readonly name: string;
  /** 1; one more each time that it is run again because the process or thread was lost that ran it (`retries`), and of a
   * job of a queue also because it failed before. */
  readonly attempt: number;
  /**
   * The trace that the caller is a part of, as W3C Trace Context writes it: of the span that was active where
   * OpenTelemetry is set up, else of the `traceparent` header of a JSON-RPC request. Undefined without either.
   */
  readonly traceparent: string | undefined;
  /** What vendors have added to that trace, as in the header `tracestate`. */
  readonly tracestate: string | undefined;
  /**
   * Aborted when nobody waits for the task any more, or it is over its time; after `abort_grace` its thread is ended. A
   * task that never awaits sees it too, where it asks `context.signal.aborted` now and then.
   */
  readonly signal: AbortSignal;
  /** Where the task runs a job of the section's `queue`; undefined otherwise. */
  readonly job: TaskJob | undefined;
}

/** The job of a BullMQ queue that a task runs. What a task says here is on its way when the call returns. */
export interface TaskJob {
  /** Unique in its queue. */
  readonly id: string;
  /** How far the task is: what boards and producers see as the job's progress. Throws a `DataCloneError`. */
  progress(value: TaskProgress): void;
  /** Adds a line to the log that the queue keeps of the job. */
  log(line: string): void;
}

/** What can be told as progress: it is kept as JSON. */
export type TaskProgress = string | boolean | number | object;

export interface TaskModule {
  readonly tasks: ReadonlyMap<string, TaskFunction>;
  readonly workerClass: WorkerClass | undefined;
}

/** Throws the user's own error where the module throws, a `TaskModuleError` where it offers nothing. */
export async function loadTaskModule({ task, entry, loader }: ModuleSource): Promise<TaskModule> {
  if (loader === 'tsx') await (await import('./typescript.ts')).registerTsx();
  if (loader === 'compiled') process.setSourceMapsEnabled(true);
  const exports = await importModule(entry);
  const workerClass = isWorkerClass(exports.default) ? exports.default : undefined;
  const tasks = new Map(findTasks(exports));
  if (!workerClass && tasks.size === 0) {
    const found = Object.keys(exports).join(', ') || 'nothing';
    throw new TaskModuleError(
      `${task} exports no task (found: ${found}): export a function, or a default class that extends Worker`,
    );
  }
  return { tasks, workerClass };
}

async function importModule(path: string): Promise<Record<string, unknown>> {
  const url = pathToFileURL(path).href;
  try {
    return await import(url);
  } catch (error) {
    // Loaded here, since each thread would pay for it at its start.
    const { withPlace } = await import('./error-place.ts');
    throw await withPlace(error, url);
  }
}

function* findTasks(exports: Record<string, unknown>): Generator<[string, TaskFunction]> {
  for (const [name, value] of Object.entries(exports)) {
    if (isTask(value)) yield [name, value];
  }
  // `module.exports = { a, b }`: Node does not always see the names of a CommonJS module.
  if (typeof exports.default === 'object' && exports.default !== null) {
    for (const [name, value] of Object.entries(exports.default)) {
      if (!(name in exports) && isTask(value)) yield [name, value];
    }
  }
}

function isTask(value: unknown): value is TaskFunction {
  return typeof value === 'function' && !/^class\b/.test(Function.prototype.toString.call(value));
}
