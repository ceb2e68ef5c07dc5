/** How a task failed → the error that its caller gets. */

import { addCallerFrames, decodeThrown } from '../channel/error-value.ts';
import type { TaskFailure } from './pool-task.ts';

export function errorOf(failure: TaskFailure): unknown {
  return 'thrown' in failure ? decodeThrown(failure.thrown) : failure.error;
}

/** Called where the caller's frames are in the stack: they are shown below those of the error. */
export function throwErrorOf(failure: TaskFailure): never {
  if ('error' in failure) addCallerFrames(failure.error);
  throw errorOf(failure);
}
