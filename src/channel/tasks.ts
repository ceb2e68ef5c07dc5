/** Tasks on their way to a worker process, and within it to a thread. */

import { noTrace } from '../trace-context.ts';
import type { ByteWriter } from './bytes.ts';
import type { ModuleSource } from './control.ts';
import { readValue, writeValue } from './values.ts';

/** What tasks of one kind have in common. */
export interface TaskCall {
  readonly name: string;
  /**
   * `stream`: the items of a generator, one by one; `broadcast`: once on every thread; `rpc`: the payload is the text of
   * a JSON-RPC call, and the result that of its response; `job`: both are JSON, too.
   */
  readonly kind: 'run' | 'stream' | 'broadcast' | 'rpc' | 'job';
  /** Longest run, ms; 0: none. */
  readonly timeout: number;
  /** 1, and one more each time that what ran it was lost. */
  readonly attempt: number;
  /** Of a stream: how many items may be on their way. */
  readonly window?: number | undefined;
  /** Absent: the task module of the section or pool. */
  readonly module?: ModuleSource | undefined;
}

/** Tasks that came together share it. */
export interface Arrival {
  /** When the worker process got them, by its `clock()`. */
  readonly at: number;
}

/** A task as it was received, its payload still encoded: in `bytes`, from `start` to `end`. */
export interface EncodedTask {
  readonly id: number;
  readonly call: TaskCall;
  /** It was sent while no thread was free: it waits for one, unless it is recalled. */
  readonly isAhead: boolean;
  /** It is expected to take so long that nothing should wait behind it. */
  readonly isLong: boolean;
  readonly arrival: Arrival;
  /** Of the caller, as `activeTrace()` gives it. */
  readonly trace: string;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Memory that the payload refers to; empty for most. */
  readonly blobs: readonly Uint8Array[];
}

const Entry = {
  /** A call that the tasks after it are of: `u32` length, value. */
  call: 0,
  /** The same once more: `u16` number among the calls before it. */
  sameCall: 1,
  /** `u8` flags, `u32` id, `u32` length, value. */
  task: 2,
  /** `u8` number of blobs that the task before it refers to. */
  blobs: 3,
  /** `f64` when the tasks after it arrived. */
  arrival: 4,
  /** `u32` length, text: the trace of the tasks after it. */
  trace: 5,
} as const;

const Flag = { ahead: 1, long: 2 } as const;

export type TaskFlags = Pick<EncodedTask, 'isAhead' | 'isLong'>;

const noFlags: TaskFlags = { isAhead: false, isLong: false };
const taskHeadLength = 10;
const arrivalLength = 9;
const none: readonly Uint8Array[] = [];

/** Writes tasks one after another; each call is written once. */
export class TaskWriter {
  readonly #writer: ByteWriter;
  readonly #calls: TaskCall[] = [];
  #current: TaskCall | undefined;
  #arrival: Arrival | undefined;
  #trace = noTrace;

  constructor(writer: ByteWriter) {
    this.#writer = writer;
  }

  /**
   * Throws a `DataCloneError` where the payload cannot be cloned; then the task was not written.
   *
   * @returns the memory that the payload refers to, uncopied: it has to go before what was written here
   */
  write(
    id: number,
    call: TaskCall,
    payload: unknown,
    flags = noFlags,
    trace = noTrace,
  ): readonly Uint8Array[] {
    const end = this.#begin(id, call, flags, trace);
    // To a broadcast many threads listen: each needs a copy.
    const blobs: Uint8Array[] | undefined = call.kind === 'broadcast' ? undefined : [];
    try {
      writeValue(this.#writer, payload, blobs);
    } catch (error) {
      this.#writer.truncate(end - taskHeadLength);
      throw error;
    }
    this.#writer.setU32(end - 4, this.#writer.length - end);
    return this.#end(blobs);
  }

  copy(task: EncodedTask): void {
    const { id, call, bytes, start, end, blobs, arrival } = task;
    if (arrival !== this.#arrival) this.#writeArrival(arrival);
    const at = this.#begin(id, call, task, task.trace);
    this.#writer.setU32(at - 4, end - start);
    this.#writer.copy(bytes, start, end);
    this.#end(blobs);
  }

  /** Writes all but the payload, and returns where that begins. */
  #begin(id: number, call: TaskCall, { isAhead, isLong }: TaskFlags, trace: string): number {
    if (call !== this.#current) this.#writeCall(call);
    if (trace !== this.#trace) this.#writeTrace(trace);
    this.#writer.u8(Entry.task);
    this.#writer.u8((isAhead ? Flag.ahead : 0) | (isLong ? Flag.long : 0));
    this.#writer.u32(id);
    this.#writer.u32(0);
    return this.#writer.length;
  }

  #end(blobs: readonly Uint8Array[] = none): readonly Uint8Array[] {
    if (blobs.length > 0) {
      this.#writer.u8(Entry.blobs);
      this.#writer.u8(blobs.length);
    }
    return blobs;
  }

  #writeArrival(arrival: Arrival): void {
    this.#writer.u8(Entry.arrival);
    this.#writer.f64(arrival.at);
    this.#arrival = arrival;
  }

  #writeTrace(trace: string): void {
    this.#writer.u8(Entry.trace);
    const start = this.#writer.reserve(4);
    this.#writer.utf8(trace);
    this.#writer.setU32(start, this.#writer.length - start - 4);
    this.#trace = trace;
  }

  #writeCall(call: TaskCall): void {
    const known = this.#calls.indexOf(call);
    if (known >= 0) {
      this.#writer.u8(Entry.sameCall);
      this.#writer.u16(known);
    } else {
      this.#writer.u8(Entry.call);
      const start = this.#writer.reserve(4);
      writeValue(this.#writer, call);
      this.#writer.setU32(start, this.#writer.length - start - 4);
      this.#calls.push(call);
    }
    this.#current = call;
  }
}

/** Reads what a `TaskWriter` wrote, one task at a time. */
export class TaskReader {
  #bytes: Buffer;
  readonly #calls: TaskCall[] = [];
  #current: TaskCall | undefined;
  readonly #blobs: readonly Uint8Array[];
  #arrival: Arrival;
  #trace = noTrace;
  #blobsRead = 0;
  #at = 0;

  /** `blobs` is what all of the tasks refer to, in their order; `arrival` is that of those that are written without. */
  constructor(bytes: Buffer, blobs = none, arrival: Arrival = { at: 0 }) {
    this.#bytes = bytes;
    this.#blobs = blobs;
    this.#arrival = arrival;
  }

  /** At the end: what the same writer wrote after that. */
  continue(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#at = 0;
  }

  /** Undefined at the end. */
  next(): EncodedTask | undefined {
    const bytes = this.#bytes;
    while (this.#at < bytes.length) {
      const entry = bytes[this.#at];
      if (entry === Entry.task) return this.#task();
      if (entry === Entry.call) this.#readCall();
      else if (entry === Entry.sameCall) this.#recallCall();
      else if (entry === Entry.arrival) this.#readArrival();
      else this.#readTrace();
    }
    return undefined;
  }

  #task(): EncodedTask {
    const bytes = this.#bytes;
    const flags = bytes[this.#at + 1] as number;
    const id = bytes.readUInt32LE(this.#at + 2);
    const start = this.#at + taskHeadLength;
    const end = start + bytes.readUInt32LE(this.#at + 6);
    this.#at = end;
    const blobs = bytes[end] === Entry.blobs ? this.#takeBlobs() : none;
    const isAhead = (flags & Flag.ahead) !== 0;
    const isLong = (flags & Flag.long) !== 0;
    const call = this.#current as TaskCall;
    const arrival = this.#arrival;
    return { id, call, isAhead, isLong, arrival, trace: this.#trace, bytes, start, end, blobs };
  }

  #takeBlobs(): readonly Uint8Array[] {
    const count = this.#bytes[this.#at + 1] as number;
    this.#at += 2;
    this.#blobsRead += count;
    return this.#blobs.slice(this.#blobsRead - count, this.#blobsRead);
  }

  #readCall(): void {
    const start = this.#at + 5;
    const end = start + this.#bytes.readUInt32LE(this.#at + 1);
    this.#current = readValue(this.#bytes, start, end) as TaskCall;
    this.#calls.push(this.#current);
    this.#at = end;
  }

  #recallCall(): void {
    this.#current = this.#calls[this.#bytes.readUInt16LE(this.#at + 1)];
    this.#at += 3;
  }

  #readArrival(): void {
    this.#arrival = { at: this.#bytes.readDoubleLE(this.#at + 1) };
    this.#at += arrivalLength;
  }

  #readTrace(): void {
    const start = this.#at + 5;
    const end = start + this.#bytes.readUInt32LE(this.#at + 1);
    this.#trace = this.#bytes.toString('utf8', start, end);
    this.#at = end;
  }
}

/** To be called once: the payload takes over what it refers to. */
export function payloadOf({ bytes, start, end, blobs }: EncodedTask): unknown {
  return readValue(bytes, start, end, blobs);
}
