/** Loads the user's file and finds out what it offers: tasks, a Worker class, or both. */

import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { TypescriptLoader } from '../channel/control.ts';
import { TaskModuleError } from '../errors.ts';
import { registerTsx } from './typescript.ts';
import { isWorkerClass, type WorkerClass } from './worker.ts';

export type TaskFunction = (payload: unknown, context: TaskContext) => unknown;

/** What a task gets as its second argument. */
export interface TaskContext {
  /** Id of the thread that runs it, as `worker_threads.threadId`. */
  readonly threadId: number;
}

export interface TaskModule {
  readonly tasks: ReadonlyMap<string, TaskFunction>;
  readonly workerClass: WorkerClass | undefined;
}

/** Throws the user's own error where the module throws, a `TaskModuleError` where it offers nothing. */
export async function loadTaskModule(
  path: string,
  loader: TypescriptLoader | undefined,
): Promise<TaskModule> {
  if (loader === 'tsx') await registerTsx();
  const exports = await importModule(path);
  const workerClass = isWorkerClass(exports.default) ? exports.default : undefined;
  const tasks = new Map(findTasks(exports));
  if (!workerClass && tasks.size === 0) {
    const found = Object.keys(exports).join(', ') || 'nothing';
    throw new TaskModuleError(
      `${path} exports no task (found: ${found}): export a function, or a default class that extends Worker`,
    );
  }
  return { tasks, workerClass };
}

async function importModule(path: string): Promise<Record<string, unknown>> {
  const url = pathToFileURL(path).href;
  try {
    return await import(url);
  } catch (error) {
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

/**
 * Gives a syntax error its file and line. Node keeps them from whoever catches the error and only prints them when
 * nobody does, so a Node of its own is asked to print them.
 */
async function withPlace(error: unknown, url: string): Promise<unknown> {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    error.message +=
      '\nNode itself only removes types; set `ts = tsx` for this section, or use erasable syntax only';
    return error;
  }
  if (!(error instanceof SyntaxError) || /^\s+at .*\.[cm]?[jt]sx?:\d/m.test(error.stack ?? '')) return error;
  const script = `import(${JSON.stringify(url)})`;
  const { stderr } = await promisify(execFile)(process.execPath, [...process.execArgv, '--eval', script], {
    env: { ...process.env, NODE_OPTIONS: '' },
    timeout: 10_000,
  }).catch((failure: { stderr?: string }) => ({ stderr: failure.stderr ?? '' }));
  const place = /^([\s\S]*?)\n\n?SyntaxError/.exec(stderr)?.[1]?.trim();
  if (place) error.message = `${error.message}\n${place}`;
  return error;
}
