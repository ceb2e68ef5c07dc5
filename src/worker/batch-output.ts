/** Where the results of a batch go: into the memory of its lane, and by message what finds no room or cannot wait. */

import { parentPort } from 'node:worker_threads';
import { memoryOf } from '../channel/blobs.ts';
import { ByteWriter } from '../channel/bytes.ts';
import { encodeThrown } from '../channel/error-value.ts';
import { unwrapMoved } from '../channel/moved.ts';
import { Status, writeRecord, writeTextRecord } from '../channel/records.ts';
import type { EncodedTask } from '../channel/tasks.ts';
import type { LaneMemory } from './lane-memory.ts';
import type { ThreadMessage } from './thread-protocol.ts';

/** How long results may stand in the memory of a lane before the host is told of them, ms. */
const longestStay = 0.25;
/** Larger results are handed over instead of copied. */
const handOver = 16 * 1024;
const scratch = new ByteWriter();
const none: readonly Uint8Array[] = [];

export class BatchOutput {
  readonly #lane: number;
  readonly #memory: LaneMemory;
  #messages = 0;
  #toldAt: number;
  #isTold = true;

  constructor(lane: number, memory: LaneMemory, now: number) {
    this.#lane = lane;
    this.#memory = memory;
    this.#toldAt = now;
  }

  /** How many messages with records were sent. */
  get messages(): number {
    return this.#messages;
  }

  /** What has become of a task. A result that cannot be cloned fails its own task: then it returns false. */
  add({ id, call }: EncodedTask, status: Status, runTime: number, value: unknown): boolean {
    const isText = (call.kind === 'rpc' || call.kind === 'job') && status === Status.done;
    const encoded = isText ? writeText(id, runTime, String(value)) : this.#encode(id, status, runTime, value);
    const blobs = encoded ?? none;
    const bytes = scratch.written;
    this.#isTold = false;
    // The end of a stream takes the way of its items: it must not overtake them.
    const isMessage = call.kind === 'stream' || bytes.length > handOver || blobs.length > 0;
    if (isMessage || !this.#memory.write(bytes)) this.#send(blobs);
    return encoded !== undefined;
  }

  /** Throws a `DataCloneError`. */
  addItem(id: number, item: unknown): void {
    const blobs: Uint8Array[] = [];
    scratch.truncate(0);
    writeRecord(scratch, id, Status.item, 0, unwrapMoved(item), blobs);
    this.#send(blobs);
  }

  /** Between two tasks: the host is told when the next one would make results wait for too long, or is a long one. */
  tellIfDue(now: number, isLongNext: boolean): void {
    if (now - this.#toldAt < longestStay && !isLongNext) return;
    this.tell();
    this.#toldAt = now;
  }

  /** The host is told of results that it has not been told of. */
  tell(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    tell({ type: 'results', lane: this.#lane });
  }

  /** Returns the memory that the value refers to; undefined where it cannot be cloned. */
  #encode(id: number, status: Status, runTime: number, value: unknown): readonly Uint8Array[] | undefined {
    const blobs: Uint8Array[] = [];
    scratch.truncate(0);
    try {
      writeRecord(scratch, id, status, runTime, unwrapMoved(value), blobs);
      return blobs;
    } catch (error) {
      const reason = isGenerator(value)
        ? new TypeError('the task is a generator: call it with stream()')
        : error;
      writeRecord(scratch, id, Status.thrown, runTime, encodeThrown(reason));
      return undefined;
    }
  }

  #send(values: readonly Uint8Array[]): void {
    this.#messages++;
    const bytes = scratch.take();
    // The task module may still have a use for its own.
    const blobs = values.map(value => new Uint8Array(value));
    tell({ type: 'records', lane: this.#lane, bytes, blobs }, [
      bytes.buffer as ArrayBuffer,
      ...memoryOf(blobs),
    ]);
  }
}

function writeText(id: number, runTime: number, text: string): readonly Uint8Array[] {
  scratch.truncate(0);
  writeTextRecord(scratch, id, Status.done, runTime, text);
  return none;
}

function tell(message: ThreadMessage, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function isGenerator(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('next' in value)) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}
