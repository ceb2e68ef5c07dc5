/** Who has started this process and waits for its word: `ph run -d`, or the supervisor that this one is to replace. */

import type { ExitCode } from '../errors.ts';

/** The last word. */
export type StartOutcome =
  /** `sockets` are those by name that it listens on. */
  | { readonly type: 'ready'; readonly warnings: readonly string[]; readonly sockets: readonly string[] }
  | { readonly type: 'failed'; readonly reason: string; readonly exitCode: ExitCode };

export type StartReport =
  /** Signals are handled, and a worker boots: whether it can is known by `limit` ms from now. Comes again and again. */
  { readonly type: 'booting'; readonly limit: number } | StartOutcome;

/** Resolves to whether the parent was there to be told. */
export function reportToParent(report: StartReport): Promise<boolean> {
  return new Promise(resolve => {
    if (!process.connected) return resolve(false);
    process.send?.(report, undefined, undefined, error => resolve(error === null));
  });
}

/** Calls back once, when the parent is gone. Returns what takes that back. */
export function onParentGone(callback: () => void): () => void {
  if (process.connected) process.once('disconnect', callback);
  else callback();
  return () => process.removeListener('disconnect', callback);
}
