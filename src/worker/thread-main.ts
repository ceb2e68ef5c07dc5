/** What runs in each thread of the pool: loads the task module once, then runs one task after another. */

import { parentPort, threadId, workerData } from 'node:worker_threads';
import type { ModuleSource } from '../channel/control.ts';
import { encodeThrown } from '../channel/error-value.ts';
import { loadTaskModule, type TaskContext, type TaskModule } from './task-module.ts';
import type { ThreadCall, ThreadMessage, ThreadReply } from './thread-protocol.ts';

const context: TaskContext = { threadId };

function tell(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}

async function load(): Promise<TaskModule | undefined> {
  try {
    const module = await loadTaskModule(workerData as ModuleSource);
    tell({ type: 'loaded', tasks: [...module.tasks.keys()] });
    return module;
  } catch (error) {
    // Thrown, it would make Piscina import everything a second time, and hide where it came from.
    const { reportError } = await import('./error-report.ts');
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
    const result = await task(payload, context);
    assertCloneable(result);
    return { result };
  } catch (error) {
    return { thrown: encodeThrown(error) };
  }
});

/** Here it fails its own task; in Piscina's hands it would end the thread, and tell the caller nothing on Node 20. */
function assertCloneable(result: unknown): void {
  const isPlain = Object(result) !== result && typeof result !== 'symbol';
  if (!isPlain && !ArrayBuffer.isView(result)) structuredClone(result);
}
