/** Where the records of `ph map` go: whole lines in large writes, one write at a time. */

import { constants, existsSync, fdatasync, fstatSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { OutputError, UsageError } from '../../errors.ts';
import { reasonOf } from '../../log/target.ts';
import { withResolvers } from '../../promise.ts';

/** What takes the records. */
export interface Destination {
  /** Resolves when the system has all of it. Rejects with an `OutputError`. */
  write(bytes: Buffer): Promise<void>;
  /** Makes sure that it survives a power cut, where the destination can. */
  sync(): Promise<void>;
  /** Bytes of whole records that it has; 0 where it cannot go back to them. */
  readonly length: number;
  /** @param discard what was made for this run, and got no record, goes */
  close(discard: boolean): Promise<void>;
}

const LF = 0x0a;

export class StdoutDestination implements Destination {
  readonly length = 0;
  readonly #beforeWrite: () => void;
  #failure: NodeJS.ErrnoException | undefined;

  /**
   * @param continues a run that was killed may have left half a line in the file that stdout is
   * @param beforeWrite clears the terminal, where stdout is one
   */
  constructor(continues: boolean, beforeWrite: () => void) {
    this.#beforeWrite = beforeWrite;
    // Told to the write that fails as well.
    process.stdout.on('error', error => {
      this.#failure = error;
    });
    if (continues && endsTorn()) process.stdout.write('\n');
  }

  write(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null | undefined) => {
        if (error) reject(new OutputError('stdout', reasonOf(error), error));
        else resolve();
      };
      this.#beforeWrite();
      if (this.#failure) settle(this.#failure);
      else process.stdout.write(bytes, settle);
    });
  }

  async sync(): Promise<void> {
    if (!fstatSync(1).isFile()) return;
    try {
      await promisify(fdatasync)(1);
    } catch (error) {
      throw new OutputError('stdout', reasonOf(error), error);
    }
  }

  async close(): Promise<void> {}
}

function endsTorn(): boolean {
  try {
    const { size } = fstatSync(1);
    const last = Buffer.alloc(1);
    return readSync(openSync('/proc/self/fd/1', 'r'), last, 0, 1, size - 1) === 1 && last[0] !== LF;
  } catch {
    // No file, or an empty one, or one that may not be read.
    return false;
  }
}

export class FileDestination implements Destination {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #isRegular: boolean;
  readonly #isNew: boolean;
  #length: number;

  private constructor(
    path: string,
    handle: FileHandle,
    file: { isRegular: boolean; isNew: boolean; length: number },
  ) {
    this.#path = path;
    this.#handle = handle;
    this.#isRegular = file.isRegular;
    this.#isNew = file.isNew;
    this.#length = file.length;
  }

  /**
   * @param start what a checkpoint says that the file has; what is beyond it will come again, and goes. undefined: the
   * file is a new one
   */
  static async open(path: string, start: number | undefined): Promise<FileDestination> {
    const { O_WRONLY, O_CREAT, O_NOCTTY } = constants;
    try {
      const isNew = !existsSync(path);
      const handle = await open(path, O_WRONLY | O_NOCTTY | (start === undefined ? O_CREAT : 0));
      const isRegular = (await handle.stat()).isFile();
      const length = start ?? 0;
      if (isRegular) await handle.truncate(length);
      return new FileDestination(path, handle, { isRegular, isNew, length });
    } catch (error) {
      throw new OutputError(path, reasonOf(error), error);
    }
  }

  get length(): number {
    return this.#length;
  }

  async write(bytes: Buffer): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const place = this.#isRegular ? this.#length + done : null;
        done += (await this.#handle.write(bytes, done, bytes.length - done, place)).bytesWritten;
      }
    } catch (error) {
      // Half a line is worth nothing to whoever reads the file.
      if (this.#isRegular) await this.#handle.truncate(this.#length).catch(() => {});
      throw new OutputError(this.#path, reasonOf(error), error);
    }
    this.#length += bytes.length;
  }

  async sync(): Promise<void> {
    try {
      if (this.#isRegular) await this.#handle.datasync();
    } catch (error) {
      throw new OutputError(this.#path, reasonOf(error), error);
    }
  }

  async close(discard: boolean): Promise<void> {
    await this.#handle.close();
    if (discard && this.#isNew && this.#isRegular && this.#length === 0) rmSync(this.#path, { force: true });
  }
}

/**
 * Looks at a file before anything is started.
 *
 * @param length what a checkpoint says that it has
 * @throws {UsageError} where writing there would destroy something, or could not be continued
 */
export function checkOutput(path: string, length: number | undefined, hasCheckpoint: boolean): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (length !== undefined) {
    if (stats?.isFile() && stats.size >= length) return;
    const what = stats?.isFile() ? `has ${stats.size} bytes` : 'is not there';
    const hint = 'remove the checkpoint to start anew';
    throw new UsageError(`${path} ${what}, where the checkpoint says ${length} bytes: ${hint}`);
  }
  if (stats?.isDirectory()) throw new UsageError(`${path} is a directory`);
  if (hasCheckpoint && stats && !stats.isFile()) {
    throw new UsageError(`${path} is no regular file: it cannot be continued with a checkpoint`);
  }
  if (stats?.isFile() && stats.size > 0) {
    throw new UsageError(`${path} is there already and will not be overwritten; remove it, or name another`);
  }
}

/** So much may wait to be written before the tasks have to wait, in characters. */
const HIGH_WATER = 1024 * 1024;

/** Collects records and writes them; `onWritten` is told which. */
export class RecordWriter<Token> {
  readonly #destination: Destination;
  readonly #onWritten: (tokens: readonly Token[]) => void;
  readonly #onFailure: (error: Error) => void;
  #records: string[] = [];
  #tokens: Token[] = [];
  #size = 0;
  #isWriting = false;
  #isOver = false;
  #idle = withResolvers<void>();

  constructor(
    destination: Destination,
    onWritten: (tokens: readonly Token[]) => void,
    onFailure: (error: Error) => void,
  ) {
    this.#destination = destination;
    this.#onWritten = onWritten;
    this.#onFailure = onFailure;
  }

  /** Whoever can wait should, until `drained()`. */
  get full(): boolean {
    return this.#size >= HIGH_WATER && !this.#isOver;
  }

  add(record: string, token: Token): void {
    if (this.#isOver) return;
    this.#records.push(record);
    this.#tokens.push(token);
    this.#size += record.length;
    if (this.#isWriting) return;
    this.#isWriting = true;
    // The records of one turn travel in one write.
    setImmediate(() => void this.#write());
  }

  /** Resolves when nothing waits any more, or nothing can be written. */
  async drained(): Promise<void> {
    if (this.#isWriting && !this.#isOver) await this.#idle.promise;
  }

  /** What waits is given up. */
  abandon(): void {
    this.#isOver = true;
    this.#idle.resolve();
  }

  async #write(): Promise<void> {
    while (this.#records.length > 0 && !this.#isOver) {
      const [bytes, tokens] = [Buffer.from(this.#records.join('')), this.#tokens];
      this.#records = [];
      this.#tokens = [];
      this.#size = 0;
      try {
        await this.#destination.write(bytes);
        this.#onWritten(tokens);
      } catch (error) {
        this.abandon();
        this.#onFailure(error as Error);
      }
    }
    this.#isWriting = false;
    this.#idle.resolve();
    if (!this.#isOver) this.#idle = withResolvers<void>();
  }
}
