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
} as const;

export const headerLength = 5;
/** What a frame of unknown length gets at first. */
const initialCapacity = 16;

/** Writes the header of a frame to the start of `memory`. */
export function frameHeader(memory: Buffer, type: number, bodyLength: number): void {
  memory.writeUInt32LE(bodyLength + 1, 0);
  memory[4] = type;
}

/** Cuts what arrives into frames again. */
export class FrameReader {
  readonly #onFrame: (type: number, body: Buffer) => void;
  /** A frame that has not arrived whole; its first `#filled` bytes are there. */
  #pending: Buffer | undefined;
  #filled = 0;

  /** A body is a view of received memory that nobody writes to any more. */
  constructor(onFrame: (type: number, body: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    let at = 0;
    if (this.#pending) at = this.#fill(chunk);
    while (at < chunk.length) {
      const left = chunk.length - at;
      const length = left >= 4 ? 4 + chunk.readUInt32LE(at) : undefined;
      if (length === undefined || length > left) {
        this.#begin(chunk.subarray(at), length);
        return;
      }
      this.#emit(chunk.subarray(at, at + length));
      at += length;
    }
  }

  #begin(start: Buffer, length: number | undefined): void {
    // Room for the whole frame, or for enough of it to learn its length.
    this.#pending = Buffer.allocUnsafeSlow(length ?? initialCapacity);
    this.#filled = start.copy(this.#pending);
  }

  /** Completes the pending frame as far as `chunk` can; returns how much of it that took. */
  #fill(chunk: Buffer): number {
    let at = 0;
    if (this.#filled < 4) {
      at = chunk.copy(this.#pending as Buffer, this.#filled, 0, 4 - this.#filled);
      this.#filled += at;
      if (this.#filled < 4) return at;
    }
    let pending = this.#pending as Buffer;
    const length = 4 + pending.readUInt32LE(0);
    if (length > pending.length) {
      const whole = Buffer.allocUnsafeSlow(length);
      pending.copy(whole, 0, 0, this.#filled);
      pending = this.#pending = whole;
    }
    const taken = chunk.copy(pending, this.#filled, at, at + length - this.#filled);
    this.#filled += taken;
    if (this.#filled === length) {
      this.#pending = undefined;
      this.#emit(pending.subarray(0, length));
    }
    return at + taken;
  }

  #emit(frame: Buffer): void {
    this.#onFrame(frame[4] as number, frame.subarray(headerLength));
  }
}
