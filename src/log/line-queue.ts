/** Lines that wait to be written, and how far the first of them has got. */

/** How much one call of the system is given; IOV_MAX of Linux is 1024 buffers. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_LINES = 1024;

export class LineQueue {
  readonly #lines: Buffer[] = [];
  #bytes = 0;
  /** How much of the first line is written already. */
  #written = 0;

  get length(): number {
    return this.#lines.length;
  }

  /** Bytes that are still to be written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Length of the first line, 0 if there is none. */
  get firstLength(): number {
    return this.#lines[0]?.length ?? 0;
  }

  /** True if nothing of the first line is written yet. */
  get isBetweenLines(): boolean {
    return this.#written === 0;
  }

  push(line: Buffer): void {
    this.#lines.push(line);
    this.#bytes += line.length;
  }

  /** What to write next: what is left of a begun line, or whole lines of `room` bytes at the most, but at least one. */
  batch(room: number): Buffer[] {
    if (this.#written > 0) return this.#lines.slice(0, 1).map(line => line.subarray(this.#written));
    const batch: Buffer[] = [];
    let left = Math.min(room, BATCH_BYTES);
    for (const line of this.#lines) {
      left -= line.length;
      if (batch.length > 0 && (left < 0 || batch.length === BATCH_LINES)) break;
      batch.push(line);
    }
    return batch;
  }

  /** Forgets the first `bytes` bytes: they are written. */
  release(bytes: number): void {
    this.#bytes -= bytes;
    this.#written += bytes;
    let whole = 0;
    for (const line of this.#lines) {
      if (this.#written < line.length) break;
      this.#written -= line.length;
      whole += 1;
    }
    this.#lines.splice(0, whole);
  }

  /** The begun line is to be written from its start once more: the file is another one now. */
  restartLine(): void {
    this.#bytes += this.#written;
    this.#written = 0;
  }

  clear(): void {
    this.#lines.length = 0;
    this.#bytes = 0;
    this.#written = 0;
  }
}
