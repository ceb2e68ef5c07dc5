/** Where the tasks of a batch come from: those that it was made of, then those that have joined it while it ran. */

import { type EncodedTask, TaskReader } from '../channel/tasks.ts';
import type { LaneMemory } from './lane-memory.ts';
import type { Batch } from './thread-protocol.ts';

/** How long a thread waits for tasks to join a batch before it ends it, ms: to begin another one takes them longer. */
const linger = 0.25;
const empty = new Uint8Array(0);

export class BatchSource {
  readonly #reader: TaskReader;
  readonly #memory: LaneMemory;
  readonly #mayLinger: boolean;
  readonly #onLinger: () => void;
  /** Bytes of joined tasks that were read. */
  #read = 0;
  #hasSlept = false;

  /** `onLinger` is called before this thread sleeps, if it may. */
  constructor({ tasks = empty, blobs }: Batch, memory: LaneMemory, mayLinger: boolean, onLinger: () => void) {
    this.#reader = new TaskReader(Buffer.from(tasks.buffer, tasks.byteOffset, tasks.byteLength), blobs);
    this.#memory = memory;
    this.#mayLinger = mayLinger;
    this.#onLinger = onLinger;
  }

  /** Whether time has gone by in the last call of `next()`. */
  get hasSlept(): boolean {
    return this.#hasSlept;
  }

  /** Undefined at the end; no task joins the batch after that. */
  next(): EncodedTask | undefined {
    this.#hasSlept = false;
    const task = this.#reader.next();
    if (task) return task;
    if (this.#mayLinger && !this.#memory.hasJoined(this.#read)) {
      this.#hasSlept = true;
      this.#onLinger();
      this.#memory.awaitJoined(this.#read, linger);
    }
    const joined = this.#memory.joined(this.#read);
    if (!joined) return undefined;
    this.#read += joined.length;
    this.#reader.continue(joined);
    return this.#reader.next();
  }
}
