/** How a task failed → the error that its caller gets. */

import { decodeThrown } from '../channel/error-value.ts';
import type { TaskFailure } from './pool-task.ts';

/** Called where the caller's frames are in the stack: they are shown below those of the task. */
export function errorOf(failure: TaskFailure): unknown {
  return 'thrown' in failure ? decodeThrown(failure.thrown) : failure.error;
}
