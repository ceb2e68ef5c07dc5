/**
 * Values on their way between master, worker process and thread. They arrive as structured clones. Small plain values
 * are written by hand, since a call of `v8.serialize` costs more than most tiny tasks; all others are V8's.
 */

import type { ByteWriter } from './bytes.ts';
import { deserialize, serialize } from './clone.ts';

const Tag = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  int32: 4,
  float64: 5,
  latin1: 6,
  utf16: 7,
  array: 8,
  object: 9,
  bytes: 10,
  buffer: 11,
  v8: 12,
  /** `u8` place among the blobs that travel beside it, `u8` place in `views`. */
  blob: 13,
} as const;

/** What travels beside its value where it is large. A `Buffer` comes first, since it is a `Uint8Array` as well. */
const views = [
  Buffer,
  Uint8Array,
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
] as const;
const viewPrototypes: readonly object[] = views.map(({ prototype }) => prototype);

/** Smaller ones are copied with the rest of their value, bytes. */
const smallestBlob = 32 * 1024;
const mostBlobs = 255;

/** Longer texts, and objects with more members, cost less with V8. */
const longestText = 128;
const mostMembers = 24;
const mostObjects = 12;

/**
 * Throws a `DataCloneError` for a value that cannot be cloned, and what its getters throw; then nothing was written.
 *
 * @param blobs gets the memory of large arrays, uncopied: it is to travel beside what was written
 */
export function writeValue(writer: ByteWriter, value: unknown, blobs?: Uint8Array[]): void {
  const start = writer.length;
  try {
    if (writePlain(writer, value, { objects: [], blobs })) return;
    writer.truncate(start);
    if (blobs) blobs.length = 0;
    const blob = serialize(value);
    writer.u8(Tag.v8);
    writer.bytes(blob);
  } catch (error) {
    writer.truncate(start);
    if (blobs) blobs.length = 0;
    throw error;
  }
}

/** The value that `bytes` hold from `start` to `end`; it takes over `blobs`, each of which has memory of its own. */
export function readValue(
  bytes: Buffer,
  start = 0,
  end = bytes.length,
  blobs: readonly Uint8Array[] = [],
): unknown {
  if (bytes[start] === Tag.v8) return deserialize(bytes.subarray(start + 1, end));
  return new PlainReader(bytes, start, blobs).read();
}

/** What is known while one value is written. */
interface Writing {
  /** What has been met. */
  readonly objects: object[];
  readonly blobs: Uint8Array[] | undefined;
}

/** Returns false for what is not plain; a part of it may then have been written. */
function writePlain(writer: ByteWriter, value: unknown, writing: Writing): boolean {
  switch (typeof value) {
    case 'number':
      writeNumber(writer, value);
      return true;
    case 'string':
      return writeText(writer, value);
    case 'boolean':
      writer.u8(value ? Tag.true : Tag.false);
      return true;
    case 'undefined':
      writer.u8(Tag.undefined);
      return true;
    case 'object':
      if (value !== null) return writeObject(writer, value, writing);
      writer.u8(Tag.null);
      return true;
    default:
      return false;
  }
}

function writeNumber(writer: ByteWriter, value: number): void {
  if ((value | 0) === value && !Object.is(value, -0)) {
    writer.u8(Tag.int32);
    writer.i32(value);
  } else {
    writer.u8(Tag.float64);
    writer.f64(value);
  }
}

function writeText(writer: ByteWriter, text: string): boolean {
  if (text.length > longestText) return false;
  const start = writer.length;
  writer.u8(Tag.latin1);
  writer.u8(text.length);
  if (writer.latin1(text)) return true;
  writer.truncate(start);
  writer.u8(Tag.utf16);
  writer.u8(text.length);
  writer.utf16(text);
  return true;
}

function writeObject(writer: ByteWriter, value: object, writing: Writing): boolean {
  // What is referred to twice must be one object afterwards as well: V8 sees to that.
  const { objects, blobs } = writing;
  if (objects.length >= mostObjects || objects.includes(value)) return false;
  objects.push(value);
  if (Array.isArray(value)) return writeArray(writer, value, writing);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return writeMembers(writer, value as Record<string, unknown>, writing);
  if (blobs && ArrayBuffer.isView(value) && value.byteLength >= smallestBlob) {
    return writeBlob(writer, value, prototype, blobs);
  }
  if (prototype === Uint8Array.prototype) return writeBytes(writer, Tag.bytes, value as Uint8Array);
  if (prototype === Buffer.prototype) return writeBytes(writer, Tag.buffer, value as Uint8Array);
  return false;
}

function writeArray(writer: ByteWriter, array: readonly unknown[], writing: Writing): boolean {
  // Holes, members that are no elements, and what a subclass makes of it are V8's as well.
  const { length } = array;
  if (length > mostMembers || Object.getPrototypeOf(array) !== Array.prototype) return false;
  const keys = Object.keys(array);
  if (keys.length !== length || (length > 0 && keys[length - 1] !== String(length - 1))) return false;
  writer.u8(Tag.array);
  writer.u8(length);
  for (let i = 0; i < length; i++) if (!writePlain(writer, array[i], writing)) return false;
  return true;
}

function writeMembers(writer: ByteWriter, value: Record<string, unknown>, writing: Writing): boolean {
  const keys = Object.keys(value);
  if (keys.length > mostMembers) return false;
  writer.u8(Tag.object);
  writer.u8(keys.length);
  for (const key of keys) {
    if (key.length > longestText || key === '__proto__') return false;
    writer.u8(key.length);
    if (!writer.latin1(key) || !writePlain(writer, value[key], writing)) return false;
  }
  return true;
}

function writeBytes(writer: ByteWriter, tag: number, value: Uint8Array): boolean {
  // Memory that is shared cannot be had across processes, nor that which was given away: V8 says so.
  if (!(value.buffer instanceof ArrayBuffer) || value.length === 0) return false;
  writer.u8(tag);
  writer.u32(value.length);
  writer.bytes(value);
  return true;
}

function writeBlob(
  writer: ByteWriter,
  view: ArrayBufferView,
  prototype: object,
  blobs: Uint8Array[],
): boolean {
  const kind = viewPrototypes.indexOf(prototype);
  const { buffer, byteOffset, byteLength } = view;
  if (kind < 0 || blobs.length >= mostBlobs || !(buffer instanceof ArrayBuffer)) return false;
  writer.u8(Tag.blob);
  writer.u8(blobs.length);
  writer.u8(kind);
  blobs.push(new Uint8Array(buffer, byteOffset, byteLength));
  return true;
}

/** Keys that were read before, by a hash of their bytes: most tasks have the same few. */
const knownKeys: (string | undefined)[] = new Array(256).fill(undefined);

class PlainReader {
  readonly #bytes: Buffer;
  readonly #blobs: readonly Uint8Array[];
  #at: number;

  constructor(bytes: Buffer, at: number, blobs: readonly Uint8Array[]) {
    this.#bytes = bytes;
    this.#blobs = blobs;
    this.#at = at;
  }

  read(): unknown {
    const tag = this.#u8();
    switch (tag) {
      case Tag.undefined:
        return undefined;
      case Tag.null:
        return null;
      case Tag.true:
        return true;
      case Tag.false:
        return false;
      case Tag.int32:
        return this.#bytes.readInt32LE(this.#skip(4));
      case Tag.float64:
        return this.#bytes.readDoubleLE(this.#skip(8));
      case Tag.latin1:
        return this.#text(1, 'latin1');
      case Tag.utf16:
        return this.#text(2, 'utf16le');
      case Tag.array:
        return this.#array();
      case Tag.object:
        return this.#object();
      case Tag.bytes:
        return this.#copy(size => new Uint8Array(size));
      case Tag.buffer:
        return this.#copy(size => Buffer.allocUnsafeSlow(size));
      case Tag.blob:
        return this.#blob();
      default:
        throw new Error(`a value of unknown kind ${tag} was received`);
    }
  }

  #u8(): number {
    return this.#bytes[this.#at++] as number;
  }

  #skip(bytes: number): number {
    const at = this.#at;
    this.#at = at + bytes;
    return at;
  }

  #text(width: 1 | 2, encoding: 'latin1' | 'utf16le'): string {
    const length = this.#u8() * width;
    const at = this.#skip(length);
    return this.#bytes.toString(encoding, at, at + length);
  }

  #array(): unknown[] {
    const length = this.#u8();
    const array: unknown[] = [];
    for (let i = 0; i < length; i++) array.push(this.read());
    return array;
  }

  #object(): Record<string, unknown> {
    const length = this.#u8();
    const value: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const key = this.#key();
      value[key] = this.read();
    }
    return value;
  }

  #key(): string {
    const length = this.#u8();
    const start = this.#skip(length);
    let hash = length;
    for (let i = 0; i < length; i++) hash = (hash * 31 + (this.#bytes[start + i] as number)) | 0;
    const slot = hash & 0xff;
    const known = knownKeys[slot];
    if (known !== undefined && this.#is(known, start, length)) return known;
    const key = this.#bytes.toString('latin1', start, start + length);
    knownKeys[slot] = key;
    return key;
  }

  #is(text: string, start: number, length: number): boolean {
    if (text.length !== length) return false;
    for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== this.#bytes[start + i]) return false;
    return true;
  }

  #blob(): ArrayBufferView {
    const { buffer, byteLength } = this.#blobs[this.#u8()] as Uint8Array;
    const View = views[this.#u8()] as (typeof views)[number];
    if (View === Buffer) return Buffer.from(buffer as ArrayBuffer);
    const Typed = View as Exclude<(typeof views)[number], typeof Buffer>;
    return new Typed(buffer as ArrayBuffer, 0, byteLength / Typed.BYTES_PER_ELEMENT);
  }

  /** A copy, because the received memory holds other values as well. */
  #copy<T extends Uint8Array>(allocate: (size: number) => T): T {
    const size = this.#bytes.readUInt32LE(this.#skip(4));
    const at = this.#skip(size);
    const copy = allocate(size);
    copy.set(this.#bytes.subarray(at, at + size));
    return copy;
  }
}
