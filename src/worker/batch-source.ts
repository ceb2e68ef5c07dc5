/** Where the tasks of a batch come from: those that it was made of, then those that have joined it while it ran. */

import { type EncodedTask, TaskReader } from '../channel/tasks.ts';
import type { LaneMemory } from './lane-memory.ts';
import type { Batch } from './thread-protocol.ts';

/** How long a thread waits for tasks to join a batch before it ends it, ms: to begin another one takes them longer. */
const linger = 0.25;
/** The same after a job of a queue, ms: the next one is as far away as the queue's server. */
const jobLinger = 2;
const empty = new Uint8Array(0);

export class BatchSource {
  readonly #reader: TaskReader;
  readonly #memory: LaneMemory;
  readonly #mayLinger: boolean;
  readonly #onLinger: () => void;
  /** Bytes of joined tasks that were read. */
  #read = 0;
  #hasSlept = false;
  #linger = linger;

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
    if (task) return this.#noteKind(task);
    if (this.#mayLinger && !this.#memory.hasJoined(this.#read)) {
      this.#hasSlept = true;
      this.#onLinger();
      this.#memory.awaitJoined(this.#read, this.#linger);
    }
    const joined = this.#memory.joined(this.#read);
    if (!joined) return undefined;
    this.#read += joined.length;
    this.#reader.continue(joined);
    return this.#noteKind(this.#reader.next());
  }

  #noteKind(task: EncodedTask | undefined): EncodedTask | undefined {
    this.#linger = task?.call.kind === 'job' ? jobLinger : linger;
    return task;
  }
}
