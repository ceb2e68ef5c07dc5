/** One `ph map`: inputs go to the pool, records to the output, and what is done to the checkpoint. */

import { PoolClosedError, PoolFailedError, UnknownTaskError } from '../../errors.ts';
import { mapTasks } from '../../pool/map.ts';
import type { TwoTierPool } from '../../pool/pool.ts';
import { withResolvers } from '../../promise.ts';
import type { CheckpointFile, MapProgress } from './checkpoint.ts';
import type { Input } from './inputs.ts';
import { type Destination, RecordWriter } from './output.ts';
import type { ProgressState } from './progress.ts';
import { Ranges } from './ranges.ts';
import { errorRecord, resultRecord } from './record.ts';

export interface MapRunOptions {
  readonly pool: TwoTierPool;
  /** Name of the task. */
  readonly name: string;
  readonly inputs: (signal: AbortSignal) => AsyncIterable<Input>;
  /** Size of all inputs, in the unit of an input's size; undefined: unknown. */
  readonly totalSize: number | undefined;
  readonly destination: Destination;
  readonly checkpoint: CheckpointFile | undefined;
  readonly ordered: boolean;
  readonly failFast: boolean;
  /** Inputs that are in hand at a time. */
  readonly concurrency: number;
}

/** An input whose task has ended. */
interface Outcome {
  readonly index: number;
  readonly size: number;
  readonly failed: boolean;
  readonly record: string;
}

/** Inputs in hand may hold that many bytes, besides a single one that is larger. */
const MAX_BYTES = 32 * 1024 * 1024;
/** How long what is done may take to be written when all has to end at once, ms. */
const LAST_WRITE = 1000;

export class MapRun {
  readonly #options: MapRunOptions;
  readonly #stop = new AbortController();
  readonly #writer: RecordWriter<Outcome>;
  /** Inputs that are written. */
  readonly #done: Ranges;
  /** Checksums at the ends of what an earlier run has done. */
  readonly #earlierChecksums: ReadonlyMap<number, number>;
  /** Of inputs that are begun and not written yet: the checksum before them. */
  readonly #begun = new Map<number, number>();
  /** Of all inputs that have been read. */
  #checksum = 0;
  #bytesInHand = 0;
  #room = withResolvers<void>();
  #failed: number;
  #doneNow = 0;
  #doneSize = 0;
  #outputLength: number;
  #failure: Error | undefined;
  #isGivenUp = false;

  constructor(options: MapRunOptions) {
    const { checkpoint, destination } = options;
    const ranges = checkpoint?.earlier?.done ?? [];
    this.#options = options;
    this.#done = new Ranges(ranges.map(([start, end]) => [start, end]));
    this.#earlierChecksums = new Map(ranges.map(([, end, checksum]) => [end, checksum]));
    this.#failed = checkpoint?.earlier?.failed ?? 0;
    this.#outputLength = destination.length;
    this.#writer = new RecordWriter(
      destination,
      outcomes => this.#onWritten(outcomes),
      error => this.fail(error),
    );
  }

  /** Resolves when all that was begun is done or given up, and written as far as it can be. */
  async run(): Promise<void> {
    const { ordered, concurrency, failFast } = this.#options;
    const outcomes = mapTasks(this.#takeInputs(), input => this.#runTask(input), { ordered, concurrency });
    let isCut = false;
    for await (const outcome of outcomes) {
      // In order there is no place for what comes after one that was given up.
      isCut ||= ordered && outcome === undefined;
      if (outcome === undefined || isCut) continue;
      this.#writer.add(outcome.record, outcome);
      if (this.#writer.full) await this.#writer.drained();
      if (failFast && outcome.failed) this.giveUp();
    }
    await this.#writer.drained();
  }

  /** Takes no more inputs; those are finished that are with a worker process. */
  stop(): void {
    this.#stop.abort();
    void this.#options.pool.close({ force: true });
  }

  /** Takes no more inputs, and finishes none. */
  giveUp(): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    this.#stop.abort();
    void this.#options.pool.destroy();
    // Whoever has to read it may not read any more.
    setTimeout(() => this.#writer.abandon(), LAST_WRITE).unref();
  }

  /** Nothing can go on. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.giveUp();
  }

  /** What kept it from going on. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Whether it was ended before all inputs were taken. */
  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Inputs that this run has done. */
  get doneNow(): number {
    return this.#doneNow;
  }

  /** Inputs that are in hand. */
  get inHand(): number {
    return this.#begun.size;
  }

  get state(): ProgressState {
    const { totalSize } = this.#options;
    const fraction = totalSize && Math.min(1, this.#doneSize / totalSize);
    return { done: this.#done.size, failed: this.#failed, fraction };
  }

  /** For the checkpoint. */
  get progress(): MapProgress {
    // After a range comes an input that is in hand, or that has not been read, now or by the earlier run.
    const checksumBefore = (index: number) =>
      this.#begun.get(index) ?? this.#earlierChecksums.get(index) ?? this.#checksum;
    return {
      done: [...this.#done].map(([start, end]) => [start, end, checksumBefore(end)]),
      failed: this.#failed,
      outputLength: this.#outputLength,
    };
  }

  async *#takeInputs(): AsyncGenerator<Input, void, undefined> {
    try {
      for await (const input of this.#missingInputs()) {
        this.#begun.set(input.index, input.checksumBefore);
        this.#bytesInHand += input.size;
        yield input;
        while (this.#bytesInHand > MAX_BYTES) await this.#room.promise;
      }
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Those that no earlier run has done; none before it is sure that this is the same input. */
  async *#missingInputs(): AsyncGenerator<Input, void, undefined> {
    const { inputs, checkpoint } = this.#options;
    const known = this.#done.end;
    const missing: Input[] = [];
    let read = 0;
    for await (const input of inputs(this.#stop.signal)) {
      read++;
      this.#checksum = input.checksum;
      const expected = this.#earlierChecksums.get(read);
      if (expected !== undefined && expected !== input.checksum) {
        throw checkpoint?.otherInput(`its first ${read} inputs are not those that were done`);
      }
      if (read > known) yield input;
      else if (this.#done.has(input.index)) this.#doneSize += input.size;
      else missing.push(input);
      if (read === known) yield* missing.splice(0);
    }
    if (read < known && !this.#stop.signal.aborted) {
      throw checkpoint?.otherInput(`it has ${read} inputs, where ${known} had been read`);
    }
  }

  /** undefined: it was given up. */
  async #runTask({ index, size, text, payload }: Input): Promise<Outcome | undefined> {
    const failed = (error: unknown) => ({ index, size, failed: true, record: errorRecord(text, error) });
    if ('error' in payload) return failed(payload.error);
    const { pool, name } = this.#options;
    try {
      const result = await pool.run(payload.value, { name });
      return { index, size, failed: false, record: resultRecord(text, result) };
    } catch (error) {
      if (error instanceof PoolClosedError) return undefined;
      if (!(error instanceof UnknownTaskError || error instanceof PoolFailedError)) return failed(error);
      // No input is to blame.
      this.fail(error);
      return undefined;
    }
  }

  #onWritten(outcomes: readonly Outcome[]): void {
    for (const { index, size, failed } of outcomes) {
      this.#done.add(index);
      this.#begun.delete(index);
      this.#bytesInHand -= size;
      this.#doneSize += size;
      if (failed) this.#failed++;
    }
    this.#doneNow += outcomes.length;
    this.#outputLength = this.#options.destination.length;
    this.#room.resolve();
    this.#room = withResolvers<void>();
    this.#options.checkpoint?.changed();
  }
}
