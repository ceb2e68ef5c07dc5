/** What of a `ph map` is done, kept in a file so that the run can be continued, also after a KILL. */

import { readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { CheckpointError, ExitCode } from '../../errors.ts';
import { reasonOf } from '../../log/target.ts';
import { tryLock } from '../../supervisor/instance-lock.ts';
import type { InputFormat } from './inputs.ts';

/** What has to be the same when a run is continued. */
export interface MapIdentity {
  /** `/path/of/module.ts#name` */
  readonly task: string;
  readonly format: InputFormat;
  /** Absolute path; undefined: stdout. */
  readonly output: string | undefined;
}

export interface MapProgress {
  /** Ranges of inputs that are done, and the checksum of all inputs up to the end of each. */
  readonly done: readonly (readonly [start: number, end: number, checksum: number])[];
  /** How many of them failed. */
  readonly failed: number;
  /** Bytes that the output file has with all of them; 0 for stdout. */
  readonly outputLength: number;
}

/** The content of the file. */
type Content = { readonly version: 1 } & MapIdentity & MapProgress;

/** The file is written at most that often, ms. What is done since is done again after a KILL. */
const INTERVAL = 200;

export class CheckpointFile {
  readonly #path: string;
  readonly #identity: MapIdentity;
  /** What an earlier run has done; undefined: there was none. */
  readonly earlier: MapProgress | undefined;
  #snapshot: (() => MapProgress) | undefined;
  #sync: () => Promise<void> = async () => {};
  #onFailure: (error: Error) => void = () => {};
  #isDirty = false;
  #saving: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #savedAt = Number.NEGATIVE_INFINITY;

  private constructor(path: string, identity: MapIdentity, earlier: MapProgress | undefined) {
    this.#path = path;
    this.#identity = identity;
    this.earlier = earlier;
  }

  /**
   * Locks it for this process and reads it.
   *
   * @param path absolute
   * @throws {CheckpointError} where it is in use, cannot be read, or belongs to another task, input or output
   */
  static async open(path: string, identity: MapIdentity): Promise<CheckpointFile> {
    let attempt: Awaited<ReturnType<typeof tryLock>>;
    try {
      attempt = await tryLock(path);
    } catch (error) {
      throw new CheckpointError(path, `its directory cannot be used: ${reasonOf(error)}`, { cause: error });
    }
    if (!attempt.acquired) {
      const exitCode = ExitCode.alreadyRunning;
      throw new CheckpointError(path, `in use by another ph map, pid ${attempt.holder ?? 'unknown'}`, {
        exitCode,
      });
    }
    const content = read(path);
    if (content) check(path, content, identity);
    return new CheckpointFile(path, identity, content);
  }

  /**
   * Notes where it begins, so that an output without a checkpoint is none of a run that was killed.
   *
   * @param snapshot what is done and written now
   * @param sync makes sure that what is written stays so
   * @param onFailure is told once that it cannot be kept
   */
  async start(
    snapshot: () => MapProgress,
    sync: () => Promise<void>,
    onFailure: (error: Error) => void,
  ): Promise<void> {
    this.#snapshot = snapshot;
    this.#sync = sync;
    this.#onFailure = onFailure;
    this.#isDirty = this.earlier === undefined;
    await this.#save();
  }

  /** The error for inputs that are not those of the earlier run. */
  otherInput(reason: string): CheckpointError {
    const hint = 'Remove it to start anew, or name another';
    return new CheckpointError(this.#path, `belongs to another input: ${reason}. ${hint}`);
  }

  /** More is done. */
  changed(): void {
    this.#isDirty = true;
    if (this.#saving || this.#timer) return;
    const wait = Math.max(0, this.#savedAt + INTERVAL - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#save();
    }, wait);
  }

  /**
   * Resolves when all that is done is noted, or cannot be.
   *
   * @param discard what was made for this run, and has nothing in it, goes
   */
  async close(discard: boolean): Promise<void> {
    clearTimeout(this.#timer);
    await this.#saving;
    clearTimeout(this.#timer);
    await this.#save();
    const isEmpty = this.earlier === undefined && this.#snapshot?.().done.length === 0;
    if (discard && isEmpty) await rm(this.#path, { force: true });
  }

  #save(): Promise<void> {
    if (!this.#isDirty || !this.#snapshot) return Promise.resolve();
    this.#isDirty = false;
    const content: Content = { version: 1, ...this.#identity, ...this.#snapshot() };
    this.#saving = this.#write(`${JSON.stringify(content)}\n`).then(
      () => this.#onSaved(),
      error => {
        this.#snapshot = undefined;
        this.#onFailure(error);
      },
    );
    return this.#saving;
  }

  #onSaved(): void {
    this.#saving = undefined;
    this.#savedAt = performance.now();
    if (this.#isDirty) this.changed();
  }

  /** The old one stays until the new one is whole, and what it speaks of is there before it says so. */
  async #write(text: string): Promise<void> {
    const draft = `${this.#path}.new`;
    await this.#sync();
    try {
      const handle = await open(draft, 'w');
      try {
        await handle.writeFile(text);
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await rename(draft, this.#path);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => {});
      const reason = `cannot be written: ${reasonOf(error)}`;
      throw new CheckpointError(this.#path, reason, { cause: error, exitCode: ExitCode.failed });
    }
  }
}

function read(path: string): Content | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CheckpointError(path, `cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const content = parse(text);
  if (!isContent(content)) throw new CheckpointError(path, 'is no checkpoint of ph map; name another file');
  return content;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isContent(value: unknown): value is Content {
  if (typeof value !== 'object' || value === null) return false;
  const { version, done, failed, outputLength } = value as Record<string, unknown>;
  return version === 1 && areRanges(done) && isCount(failed) && isCount(outputLength);
}

function areRanges(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  let last = -1;
  return value.every(range => {
    if (!Array.isArray(range) || range.length !== 3 || !range.every(isCount)) return false;
    const [start, end] = range as [number, number, number];
    const isInOrder = start > last && end > start;
    last = end;
    return isInOrder;
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function check(path: string, content: Content, identity: MapIdentity): void {
  const differences = (['task', 'format', 'output'] as const).filter(key => content[key] !== identity[key]);
  if (differences.length === 0) return;
  const list = differences.map(key => `${key} ${content[key] ?? 'stdout'}, not ${identity[key] ?? 'stdout'}`);
  throw new CheckpointError(path, `belongs to ${list.join('; ')}. Remove it to start anew, or name another`);
}
