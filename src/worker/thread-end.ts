/** Why a thread ended, from what Node and Piscina say of it. */

export const outOfMemory = 'out of memory (max_thread_memory, or what Node chose where that is 0)';

/** Undefined where `error` is what the user's code threw. */
export function explainThreadEnd(error: unknown): string | undefined {
  if (isOutOfMemory(error)) return outOfMemory;
  const exitCode = error instanceof Error && /^worker exited with code: (-?\d+)$/.exec(error.message)?.[1];
  return exitCode ? `it exited with code ${exitCode}` : undefined;
}

export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}
