/** Writes frames to a stream, each in one piece, from memory that is used again. */

import type { Writable } from 'node:stream';
import { ByteWriter } from './bytes.ts';
import { FrameType, frameHeader, headerLength } from './frames.ts';

/** Memory of ended writes that is kept: new memory for each frame would cost more than the frame. */
const mostSpare = 4;
const largestSpare = 256 * 1024;

export class FrameSender {
  readonly #stream: Writable;
  readonly #spare: Buffer[] = [];
  /** The body of the next frame is written here. */
  readonly body = new ByteWriter();

  constructor(stream: Writable) {
    this.#stream = stream;
    this.body.reserve(headerLength);
  }

  get hasBody(): boolean {
    return this.body.length > headerLength;
  }

  /** Sends what the next frame refers to, without copying it. */
  sendBlobs(blobs: readonly Uint8Array[]): void {
    for (const blob of blobs) this.sendWhole(FrameType.blob, blob);
  }

  /** Sends what `body` holds. A stream that is closed takes nothing: whoever reads it is gone. */
  send(type: number): void {
    const frame = this.body.written;
    frameHeader(frame, type, frame.length - headerLength);
    const memory = this.body.replace(this.#spare.pop());
    this.body.reserve(headerLength);
    if (this.#stream.writable) this.#stream.write(frame, () => this.#keep(memory));
    else this.#keep(memory);
  }

  /** Sends a body that is there already, without copying it. */
  sendWhole(type: number, body: Uint8Array): void {
    if (!this.#stream.writable) return;
    const header = Buffer.allocUnsafe(headerLength);
    frameHeader(header, type, body.length);
    this.#stream.cork();
    this.#stream.write(header);
    this.#stream.write(body);
    this.#stream.uncork();
  }

  #keep(memory: Buffer): void {
    if (memory.length <= largestSpare && this.#spare.length < mostSpare) this.#spare.push(memory);
  }
}
