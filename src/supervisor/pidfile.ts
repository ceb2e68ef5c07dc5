/** A file that holds the supervisor's pid alone on one line, for as long as the supervisor lives and no longer. */

import { closeSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { AlreadyRunningError, PidfileError } from '../errors.ts';
import { tryLock } from './instance-lock.ts';

/** More than a pid and some white space: whoever wrote that did not write a pidfile. */
const longestPidfile = 64;

export class Pidfile {
  readonly path: string;
  readonly #unlock: () => void;

  private constructor(path: string, unlock: () => void) {
    this.path = path;
    this.#unlock = unlock;
  }

  /**
   * Takes the lock of the path and writes the file over whatever a supervisor that is gone left there.
   * Throws `AlreadyRunningError` and `PidfileError`; then the path is as it was.
   */
  static async claim(path: string): Promise<Pidfile> {
    const lock = await tryLock(path).catch(error => {
      throw new PidfileError(path, describe(error), error);
    });
    if (!lock.acquired) throw new AlreadyRunningError(path, lock.holder ?? readPid(path));
    const pidfile = new Pidfile(path, lock.release);
    try {
      refuseForeignFile(path);
      pidfile.#write();
    } catch (error) {
      lock.release();
      throw error;
    }
    return pidfile;
  }

  /** Writes the file again where somebody removed it; says whether it had to. */
  restore(): boolean {
    if (statSync(this.path, { throwIfNoEntry: false })) return false;
    this.#write();
    return true;
  }

  /** Removes the file if it still is ours, and gives the lock up. */
  release(): void {
    try {
      if (readPid(this.path) === process.pid) unlinkSync(this.path);
    } catch {
      // Its directory is gone, or no longer ours: there is nothing left to clean up.
    }
    this.#unlock();
  }

  /** By rename: a reader sees the old content or the new one, never half of it. */
  #write(): void {
    const temporary = `${this.path}.${process.pid}.tmp`;
    try {
      const fd = openSync(temporary, 'w', 0o644);
      try {
        writeSync(fd, `${process.pid}\n`);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, this.path);
    } catch (error) {
      removeIfThere(temporary);
      throw new PidfileError(this.path, describe(error), error);
    }
  }
}

/** The pid in a pidfile; undefined where there is none. */
export function readPid(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

/** A mistyped path must not cost anybody a file. */
function refuseForeignFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isFile()) throw new PidfileError(path, 'is not a file');
  if (found.size > longestPidfile) {
    throw new PidfileError(
      path,
      `holds ${found.size} bytes of something else; remove it, or name another file`,
    );
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Opening it is what failed.
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
