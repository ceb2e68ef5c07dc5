/** A growable buffer that is written front to back. */

const smallest = 4096;

export class ByteWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(smallest);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written so far; a view that the next write may overwrite or leave behind. */
  get written(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Makes room for that many bytes, and returns where they begin. */
  reserve(bytes: number): number {
    const start = this.#length;
    const end = start + bytes;
    if (end > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#buffer.length));
      this.#buffer.copy(grown, 0, 0, start);
      this.#buffer = grown;
    }
    this.#length = end;
    return start;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.#buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.reserve(2);
    this.#buffer.writeUInt16LE(value, at);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  i32(value: number): void {
    const at = this.reserve(4);
    this.#buffer.writeInt32LE(value, at);
  }

  f32(value: number): void {
    const at = this.reserve(4);
    this.#buffer.writeFloatLE(value, at);
  }

  f64(value: number): void {
    const at = this.reserve(8);
    this.#buffer.writeDoubleLE(value, at);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** A part of a buffer. */
  copy(bytes: Buffer, start: number, end: number): void {
    const at = this.reserve(end - start);
    bytes.copy(this.#buffer, at, start, end);
  }

  /** One byte per character where all fit into one; returns whether they did, and else writes nothing. */
  latin1(text: string): boolean {
    const start = this.reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0xff) {
        this.truncate(start);
        return false;
      }
      this.#buffer[start + i] = code;
    }
    return true;
  }

  utf16(text: string): void {
    const at = this.reserve(2 * text.length);
    this.#buffer.write(text, at, 'utf16le');
  }

  utf8(text: string): void {
    // No character of a text takes more; long ones are measured, since that would be much.
    const most = text.length < 1024 ? 3 * text.length : Buffer.byteLength(text);
    const at = this.reserve(most);
    this.truncate(at + this.#buffer.write(text, at, most, 'utf8'));
  }

  /** Overwrites four bytes at `at` that were reserved before. */
  setU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at);
  }

  /** Drops what was written from `length` on. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Hands over what was written, and begins anew. */
  take(): Buffer {
    const taken = this.written;
    this.replace();
    return taken;
  }

  /** Begins anew in other memory, and hands over that which was used so far. */
  replace(memory: Buffer = Buffer.allocUnsafeSlow(smallest)): Buffer {
    const used = this.#buffer;
    this.#buffer = memory;
    this.#length = 0;
    return used;
  }
}
