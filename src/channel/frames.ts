/** Frames on a byte stream: `u32` length, `u8` type, body. */

export const FrameType = {
  /** Master → worker: calls, then tasks. */
  run: 1,
  /** Master → worker: ids of tasks that nobody waits for any more. */
  cancel: 2,
  /** Master → worker: ids of tasks to give back if they have not begun. */
  recall: 3,
  /** Master → worker: how many further items the reader of a stream takes. */
  credit: 4,
  /** Master → worker: no further tasks come. */
  noMoreTasks: 6,
  /** Worker → master: records, see `records.ts`. */
  records: 5,
  /** Both ways: memory that the next frame of tasks or records refers to. */
  blob: 7,
} as const;

export const headerLength = 5;

/** Writes the header of a frame to the start of `memory`. */
export function frameHeader(memory: Buffer, type: number, bodyLength: number): void {
  memory.writeUInt32LE(bodyLength + 1, 0);
  memory[4] = type;
}

/** Cuts what arrives into frames again. */
export class FrameReader {
  readonly #onFrame: (type: number, body: Buffer) => void;
  /** The header of a frame that has not arrived whole; its first `#headFilled` bytes are there. */
  readonly #head = Buffer.alloc(headerLength);
  #headFilled = 0;
  /** The body of that frame, once its length is known; its first `#filled` bytes are there. */
  #body: Buffer | undefined;
  #filled = 0;

  /** A body is a view of received memory that nobody writes to any more; one that came in pieces has it to itself. */
  constructor(onFrame: (type: number, body: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    let at = 0;
    if (this.#headFilled > 0) at = this.#fill(chunk, at);
    while (at < chunk.length) {
      const end = chunk.length - at < headerLength ? undefined : at + 4 + chunk.readUInt32LE(at);
      if (end === undefined || end > chunk.length) {
        this.#fill(chunk, at);
        return;
      }
      this.#onFrame(chunk[at + 4] as number, chunk.subarray(at + headerLength, end));
      at = end;
    }
  }

  /** Takes what the pending frame still needs from `chunk`; returns where that ends. */
  #fill(chunk: Buffer, start: number): number {
    let at = start;
    if (!this.#body) {
      const taken = chunk.copy(this.#head, this.#headFilled, at, at + headerLength - this.#headFilled);
      this.#headFilled += taken;
      at += taken;
      if (this.#headFilled < headerLength) return at;
      this.#body = Buffer.allocUnsafeSlow(this.#head.readUInt32LE(0) - 1);
      this.#filled = 0;
    }
    const body = this.#body;
    const taken = chunk.copy(body, this.#filled, at, at + body.length - this.#filled);
    this.#filled += taken;
    if (this.#filled === body.length) {
      this.#body = undefined;
      this.#headFilled = 0;
      this.#onFrame(this.#head[4] as number, body);
    }
    return at + taken;
  }
}
