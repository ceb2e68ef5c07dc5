/** What becomes of a task, on its way from a thread to its worker process and on to the master. */

import type { ByteWriter } from './bytes.ts';
import { readValue, writeValue } from './values.ts';

export const Status = {
  /** Its result. */
  done: 0,
  /** What it threw, as a `Thrown`. */
  thrown: 1,
  /** One item of a stream; more records of it follow. */
  item: 2,
  /** It is over its time; its end follows. */
  timedOut: 3,
  /** The thread that ran it ended; the value says why. */
  threadLost: 4,
  /** It has ended after it was cancelled, or was over its time: nobody waits for what came out. */
  ended: 5,
  /** It was not begun, and is given back: another worker process may have time for it sooner. */
  returned: 6,
  /** There is no task of that name; the value lists those that there are. */
  unknown: 7,
  /** The section has no threads. */
  noThreads: 8,
} as const;

export type Status = (typeof Status)[keyof typeof Status];

/** Whether more records of the same task follow. */
export function isFinal(status: Status): boolean {
  return status !== Status.item && status !== Status.timedOut;
}

export interface TaskRecord {
  readonly id: number;
  readonly status: Status;
  /** How long it ran, ms; 0 where it did not. */
  readonly runTime: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Memory that the value refers to; a record that has some comes alone. */
  readonly blobs: readonly Uint8Array[] | undefined;
}

/** `u32` length of what follows, `u32` id, `u8` status, `f32` run time, value. */
const headLength = 13;

/**
 * Throws a `DataCloneError` where the value cannot be cloned; then nothing was written.
 *
 * @param blobs gets the memory of large arrays, uncopied
 */
export function writeRecord(
  writer: ByteWriter,
  id: number,
  status: Status,
  runTime: number,
  value: unknown,
  blobs?: Uint8Array[],
): void {
  const start = writeHead(writer, id, status, runTime);
  try {
    writeValue(writer, value, blobs);
  } catch (error) {
    writer.truncate(start);
    throw error;
  }
  writer.setU32(start, writer.length - start - 4);
}

/** The same for a text, in UTF-8. */
export function writeTextRecord(
  writer: ByteWriter,
  id: number,
  status: Status,
  runTime: number,
  text: string,
): void {
  const start = writeHead(writer, id, status, runTime);
  writer.utf8(text);
  writer.setU32(start, writer.length - start - 4);
}

function writeHead(writer: ByteWriter, id: number, status: Status, runTime: number): number {
  const start = writer.length;
  writer.u32(0);
  writer.u32(id);
  writer.u8(status);
  writer.f32(runTime);
  return start;
}

/** `blobs` is what the only one of them refers to. */
export function forEachRecord(
  bytes: Buffer,
  handle: (record: TaskRecord) => void,
  blobs?: readonly Uint8Array[],
): void {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    handle({
      id: bytes.readUInt32LE(at + 4),
      status: bytes[at + 8] as Status,
      runTime: bytes.readFloatLE(at + 9),
      bytes,
      start: at + headLength,
      end,
      blobs,
    });
    at = end;
  }
}

/** To be called once: the value takes over what it refers to. */
export function valueOfRecord({ bytes, start, end, blobs }: TaskRecord): unknown {
  return readValue(bytes, start, end, blobs);
}
