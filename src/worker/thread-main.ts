/** What runs in each thread of the pool: loads the task module once, then runs one task after another. */

import { parentPort, threadId, workerData } from 'node:worker_threads';
import { encodeThrown } from '../channel/error-value.ts';
import { reportError } from './error-report.ts';
import { loadTaskModule, type TaskContext, type TaskModule } from './task-module.ts';
import type { ThreadCall, ThreadData, ThreadMessage, ThreadReply } from './thread-protocol.ts';

const context: TaskContext = { threadId };

function tell(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}

async function load(): Promise<TaskModule | undefined> {
  try {
    const { task, loader } = workerData as ThreadData;
    const module = await loadTaskModule(task, loader);
    tell({ type: 'loaded', tasks: [...module.tasks.keys()] });
    return module;
  } catch (error) {
    // Thrown, it would make Piscina import everything a second time, and hide where it came from.
    tell({ type: 'load-failed', error: reportError(error) });
    return undefined;
  }
}

/** Piscina awaits its handler before it lets the thread sleep, so the module is loaded before the first task. */
export default load().then(module => async ({ id, name, payload }: ThreadCall): Promise<ThreadReply> => {
  tell({ type: 'begun', id, threadId });
  try {
    const task = module?.tasks.get(name);
    if (!task) throw new Error(`the task module has no task ${name} any more`);
    return { result: await task(payload, context) };
  } catch (error) {
    return { thrown: encodeThrown(error) };
  }
});
