/** A log file and the rotated ones before it, found by what they are and not by their names, which rotation changes. */

import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { ExitCode, NoLogFileError } from '../../errors.ts';
import { reasonOf } from '../../log/target.ts';

/** Which file it is, whatever its name. */
export interface FileId {
  readonly dev: number;
  readonly ino: number;
}

export class LogFile implements FileId {
  readonly dev: number;
  readonly ino: number;
  readonly #path: string;
  readonly #fd: number;

  /** @throws the system's error */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { dev, ino } = fstatSync(this.#fd);
    this.dev = dev;
    this.ino = ino;
  }

  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** ms */
  get changedAt(): number {
    return fstatSync(this.#fd).mtimeMs;
  }

  /**
   * At most `length` bytes from `offset` on; none at its end.
   *
   * @throws {NoLogFileError}
   */
  read(offset: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length);
    try {
      return buffer.subarray(0, readSync(this.#fd, buffer, 0, length, offset));
    } catch (error) {
      throw unreadable(this.#path, error);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export class LogChain {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get exists(): boolean {
    return [0, 1].some(number => this.#stat(number));
  }

  /** The one that is written, or the newest that there is. */
  newest(): LogFile | undefined {
    return this.#open(0) ?? this.#open(1);
  }

  isNewest(id: FileId): boolean {
    return this.#numberOf(id) === 0;
  }

  /** undefined: it is not in the chain any more. */
  find(id: FileId): LogFile | undefined {
    const number = this.#numberOf(id);
    return number === undefined ? undefined : this.#openIf(number, id);
  }

  /** The one before it. */
  older(id: FileId): LogFile | undefined {
    const number = this.#numberOf(id);
    return number === undefined ? undefined : this.#open(number + 1);
  }

  /** The one after it; of a file that is not in the chain any more, the oldest that was changed later. */
  newer(file: LogFile): LogFile | undefined {
    const number = this.#numberOf(file);
    if (number !== undefined) return number === 0 ? undefined : this.#open(number - 1);
    const { changedAt } = file;
    let oldest = this.#stat(0) ? 0 : -1;
    while ((this.#stat(oldest + 1)?.mtimeMs ?? 0) > changedAt) oldest++;
    return oldest < 0 ? undefined : this.#open(oldest);
  }

  #numberOf(id: FileId): number | undefined {
    // The first name may be missing for the moment between two steps of a rotation.
    for (let number = 0; number < 2 || this.#stat(number); number++) {
      const stats = this.#stat(number);
      if (stats && isSame(stats, id)) return number;
    }
    return undefined;
  }

  #open(number: number): LogFile | undefined {
    const name = this.#name(number);
    try {
      return new LogFile(name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw unreadable(name, error);
    }
  }

  #openIf(number: number, id: FileId): LogFile | undefined {
    const file = this.#open(number);
    if (!file || isSame(file, id)) return file;
    // It was rotated just now.
    file.close();
    return this.find(id);
  }

  #stat(number: number): Stats | undefined {
    return statSync(this.#name(number), { throwIfNoEntry: false });
  }

  #name(number: number): string {
    return number === 0 ? this.path : `${this.path}.${number}`;
  }
}

function unreadable(path: string, error: unknown): NoLogFileError {
  return new NoLogFileError(`${path} cannot be read: ${reasonOf(error)}`, ExitCode.failed);
}

export function isSame(a: FileId, b: FileId): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
