/** The chain of rotated files: `log` becomes `log.1`, `log.1` becomes `log.2`, and so on. */
import { existsSync, renameSync, rmSync } from 'node:fs';

/**
 * Makes the name `path` free, keeping `keep` (at least 1) rotated files.
 *
 * @throws the system's error; no file has been overwritten then but the oldest.
 */
export function shiftRotated(path: string, keep: number): void {
  // A gap in the chain ends the shift, so that nothing older is pushed out without need.
  let last = 1;
  while (last < keep && existsSync(`${path}.${last}`)) last += 1;
  for (let n = last; n > 1; n -= 1) renameSync(`${path}.${n - 1}`, `${path}.${n}`);
  renameSync(path, `${path}.1`);
  removeRotated(path, keep);
}

/** Removes the rotated files after the first `keep`: they are there where `log_keep` was lowered. */
export function removeRotated(path: string, keep: number): void {
  for (let n = keep + 1; existsSync(`${path}.${n}`); n += 1) rmSync(`${path}.${n}`);
}
