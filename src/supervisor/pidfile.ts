/** A file that holds the pid of the supervisor in charge alone on one line, for as long as it lives and no longer. */

import { closeSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { AlreadyRunningError, PidfileError } from '../errors.ts';
import { type InstanceLock, type SharedLocks, tryLock } from './instance-lock.ts';

/** More than a pid and some white space: whoever wrote that did not write a pidfile. */
const longestPidfile = 64;

export class Pidfile {
  readonly path: string;
  /** False: the lock of the path is all there is. */
  readonly hasFile: boolean;
  /** None of a mark. */
  readonly #lock: InstanceLock | undefined;
  /** False where only the lock is held: in an upgrade, until the new supervisor is in charge. */
  #isWritten = false;

  private constructor(path: string, lock: InstanceLock | undefined, hasFile = true) {
    this.path = path;
    this.hasFile = hasFile;
    this.#lock = lock;
  }

  /**
   * Takes the lock of the path and writes the file over whatever a supervisor that is gone left there.
   * Throws `AlreadyRunningError` and `PidfileError`; then the path is as it was.
   */
  static async claim(path: string): Promise<Pidfile> {
    return written(new Pidfile(path, await lockOf(path)));
  }

  /**
   * Shares the lock of the path where it was handed over, else takes it, and leaves the file to `write()`.
   * Throws `AlreadyRunningError` and `PidfileError`.
   */
  static async reserve(path: string, shared: SharedLocks): Promise<Pidfile> {
    return new Pidfile(path, await lockOf(path, shared));
  }

  /** Takes or shares the lock of the path, of which there is never a file. Throws as `claim` does. */
  static async withoutFile(path: string, shared?: SharedLocks): Promise<Pidfile> {
    return new Pidfile(path, await lockOf(path, shared), false);
  }

  /** Writes a file that is there beside a pidfile whose lock is held. Throws a `PidfileError`. */
  static mark(path: string): Pidfile {
    return written(new Pidfile(path, undefined));
  }

  get lock(): InstanceLock | undefined {
    return this.#lock;
  }

  /** Puts this process down as the one in charge. Throws a `PidfileError`; then the file is as it was. */
  write(): void {
    if (this.hasFile) {
      refuseForeignFile(this.path);
      this.#write();
      this.#isWritten = true;
    }
    if (this.#lock) this.#lock.holder = process.pid;
  }

  /** Writes the file again where somebody removed it; says whether it had to. */
  restore(): boolean {
    if (!this.#isWritten || statSync(this.path, { throwIfNoEntry: false })) return false;
    this.#write();
    return true;
  }

  /** Removes the file if it still is ours, and gives the lock up. */
  release(): void {
    if (this.hasFile) removePid(this.path, process.pid);
    this.#lock?.release();
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

/** Removes a pidfile if it holds that pid. */
export function removePid(path: string, pid: number): void {
  // Where its directory is gone, or no longer ours, there is nothing left to clean up.
  if (readPid(path) === pid) removeIfThere(path);
}

async function lockOf(path: string, shared?: SharedLocks): Promise<InstanceLock> {
  const attempt = await tryLock(path, shared).catch(error => {
    throw new PidfileError(path, describe(error), error);
  });
  if (!attempt.acquired) throw new AlreadyRunningError(path, attempt.holder ?? readPid(path));
  return attempt.lock;
}

function written(pidfile: Pidfile): Pidfile {
  try {
    pidfile.write();
    return pidfile;
  } catch (error) {
    pidfile.release();
    throw error;
  }
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
    // It is not there, or not to be removed by us.
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
