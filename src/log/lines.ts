/** Splits a byte stream into lines, whatever the sizes in which it arrives. */

/** A line is passed on whole up to this many bytes, and in parts of this many above it: it bounds the memory. */
export const MAX_LINE = 16 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;

export interface Line {
  /** Without its line feed, and without a carriage return before that. */
  readonly bytes: Buffer;
  /** 1, 2, …: which part of an overlong line this is. 0: the line is whole. */
  readonly part: number;
}

export class LineSplitter {
  readonly #maxLine: number;
  /** What has arrived of a line whose end has not; kept as a list, so that a long line is copied once. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #parts = 0;

  constructor(maxLine = MAX_LINE) {
    this.#maxLine = maxLine;
  }

  /** Yields the lines that `chunk` completes. It must be read to its end before the next call. */
  *push(chunk: Buffer): Generator<Line, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      yield* this.#overlong();
      yield this.#last();
    }
    this.#keep(chunk.subarray(start));
    yield* this.#overlong();
  }

  /** Yields the last line, where the stream ended without a line feed. */
  *end(): Generator<Line, void, undefined> {
    if (this.#pendingBytes > 0) yield this.#last();
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  *#overlong(): Generator<Line, void, undefined> {
    while (this.#pendingBytes > this.#maxLine) {
      const bytes = this.#join();
      const cut = characterBoundary(bytes, this.#maxLine);
      this.#keep(bytes.subarray(cut));
      this.#parts += 1;
      yield { bytes: bytes.subarray(0, cut), part: this.#parts };
    }
  }

  #last(): Line {
    const bytes = this.#join();
    const part = this.#parts === 0 ? 0 : this.#parts + 1;
    this.#parts = 0;
    return { bytes: bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes, part };
  }

  #join(): Buffer {
    const only = this.#pending.length === 1 ? this.#pending[0] : undefined;
    const bytes = only ?? Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    return bytes;
  }
}

/** The last place at or before `limit` that does not cut a UTF-8 character in two; `limit` where the bytes are not UTF-8. */
function characterBoundary(bytes: Buffer, limit: number): number {
  for (let cut = limit; cut > 0 && cut > limit - 4; cut -= 1) {
    if (((bytes[cut] ?? 0) & 0xc0) !== 0x80) return cut;
  }
  return limit;
}
