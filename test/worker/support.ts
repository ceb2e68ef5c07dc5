/** What the tests of the threads share. */

import type { TestContext } from 'node:test';
// Compiled, as threads are started from JavaScript.
import { Threads, type ThreadsConfig } from '../../dist/worker/threads.js';
import { createProject } from '../helpers/project.ts';

/** A pool of one thread over a task module with this source, closed when the test ends. */
export async function startThreads(
  t: TestContext,
  code: string,
  config: Partial<ThreadsConfig> = {},
  onError: (error: unknown) => void = rethrow,
  onBroken: (error: unknown) => void = rethrow,
): Promise<Threads> {
  const task = createProject(t, { 'task.mjs': code }).path('task.mjs');
  const limits = {
    minThreads: undefined,
    idleTimeout: 0,
    concurrentTasksPerWorker: 1,
    abortGrace: 100,
    maxThreadMemory: 0,
    maxQueue: 0,
    taskTimeout: 0,
    queueTimeout: 0,
  };
  const source = { task, entry: task, loader: undefined };
  const threads = new Threads({ threads: 1, ...limits, ...config }, source, {
    onError,
    onBroken,
    onRecords: () => {},
    onEnded: () => {},
  });
  t.after(() => threads.close());
  await threads.loaded;
  // The host finds them on its main thread; a module that exits there would end the tests.
  threads.taskNames = [...code.matchAll(/export (?:(default)|(?:const|(?:async )?function) (\w+))/g)].map(
    ([, name, other]) => name ?? (other as string),
  );
  return threads;
}

function rethrow(error: unknown): never {
  throw error;
}
