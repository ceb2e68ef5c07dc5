/** Where the tasks of a batch come from: those that it was made of, then those that have joined it while it ran. */

import { type EncodedTask, TaskReader } from '../channel/tasks.ts';
import type { LaneMemory } from './lane-memory.ts';
import type { Batch } from './thread-protocol.ts';

const empty = new Uint8Array(0);

export class BatchSource {
  readonly #reader: TaskReader;
  readonly #memory: LaneMemory;
  /** Bytes of joined tasks that were read. */
  #read = 0;

  constructor({ tasks = empty, blobs }: Batch, memory: LaneMemory) {
    this.#reader = new TaskReader(Buffer.from(tasks.buffer, tasks.byteOffset, tasks.byteLength), blobs);
    this.#memory = memory;
  }

  /** Undefined at the end; no task joins the batch after that. */
  next(): EncodedTask | undefined {
    const task = this.#reader.next();
    if (task) return task;
    const joined = this.#memory.joined(this.#read);
    if (!joined) return undefined;
    this.#read += joined.length;
    this.#reader.continue(joined);
    return this.#reader.next();
  }
}
