/** A log file that is appended to, rotates by size, and can be opened anew by its name. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { LogFileError } from '../errors.ts';
import { removeRotated, shiftRotated } from './rotation.ts';
import { reasonOf, type Target } from './target.ts';

/** After a rotation has failed it is tried again once in this time, in milliseconds. */
const ROTATE_AGAIN = 60_000;

// A FIFO without a reader must not block the supervisor, and a terminal must not become the controlling one.
const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;

const LF = 0x0a;

export class FileTarget implements Target {
  readonly name: string;
  readonly canHangUp = false;
  readonly blocking: boolean;
  /** Bytes above which the file is rotated; 0: never. */
  maxSize = 0;
  /** Rotated files that are kept. */
  keep = 0;
  /** Is told why a rotation failed, once until one succeeds. */
  onRotateError: (reason: string) => void = () => {};
  #fd: number;
  #rotateAt = 0;
  #rotateFailed = false;

  /** @throws LogFileError */
  constructor(path: string) {
    this.name = path;
    try {
      this.#fd = openSync(path, APPEND);
    } catch (error) {
      throw new LogFileError(path, reasonOf(error), { cause: error });
    }
    this.blocking = fstatSync(this.#fd).isFile();
    endTornLine(path, this.#fd);
  }

  get fd(): number {
    return this.#fd;
  }

  get size(): number | undefined {
    const stats = fstatSync(this.#fd);
    return stats.isFile() ? stats.size : undefined;
  }

  room(length: number): number {
    if (this.maxSize === 0) return Number.POSITIVE_INFINITY;
    // Asked of the system and not counted, since another supervisor may write the same file.
    const size = this.size;
    if (size === undefined) return Number.POSITIVE_INFINITY;
    if (size > 0 && size + length > this.maxSize) this.#rotate();
    return Math.max(length, this.maxSize - (this.size ?? 0));
  }

  reopen(): boolean {
    const before = fstatSync(this.#fd);
    const fd = openSync(this.name, APPEND);
    closeSync(this.#fd);
    this.#fd = fd;
    return !isSame(before, fstatSync(fd));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    if (performance.now() < this.#rotateAt) return;
    try {
      if (!this.#isOurName()) {
        // Someone else has rotated it.
        this.reopen();
      } else if (this.keep === 0) {
        ftruncateSync(this.#fd);
        removeRotated(this.name, 0);
      } else {
        this.#startNewFile();
      }
      this.#rotateFailed = false;
    } catch (error) {
      this.#rotateAt = performance.now() + ROTATE_AGAIN;
      if (this.#rotateFailed) return;
      this.#rotateFailed = true;
      this.onRotateError(reasonOf(error));
    }
  }

  #isOurName(): boolean {
    const named = statSync(this.name, { throwIfNoEntry: false });
    return named !== undefined && isSame(named, fstatSync(this.#fd));
  }

  #startNewFile(): void {
    shiftRotated(this.name, this.keep);
    try {
      this.reopen();
    } catch (error) {
      // We go on in the file that we have, so it gets its name back.
      renameSync(`${this.name}.1`, this.name);
      throw error;
    }
  }
}

/** A supervisor that was killed may have left half a line: ours must not be glued to it. */
function endTornLine(path: string, fd: number): void {
  const { size } = fstatSync(fd);
  if (size === 0) return;
  try {
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const last = Buffer.alloc(1);
    const read = readSync(reader, last, 0, 1, size - 1);
    closeSync(reader);
    if (read === 1 && last[0] !== LF) writeSync(fd, '\n');
  } catch {
    // Perhaps it may be written but not read: our first line then follows what is there.
  }
}

function isSame(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
