/** The worker's end of the task channel: tasks go to the threads, what becomes of them goes back to the master. */

import { once } from 'node:events';
import { Socket } from 'node:net';
import { ReceivedBlobs } from '../channel/blobs.ts';
import { tasksFd } from '../channel/control.ts';
import { FrameSender } from '../channel/frame-sender.ts';
import { FrameReader, FrameType } from '../channel/frames.ts';
import { type EncodedTask, TaskReader } from '../channel/tasks.ts';
import { withResolvers } from '../promise.ts';
import { clock } from './lane-memory.ts';
import type { Threads } from './threads.ts';

/** Larger records are sent as they are; smaller ones are collected until the turn of the event loop ends. */
const collected = 16 * 1024;

export class TaskServer {
  readonly #threads: Threads;
  readonly #socket = new Socket({ fd: tasksFd, readable: true, writable: true, allowHalfOpen: true });
  readonly #sender = new FrameSender(this.#socket);
  readonly #blobs = new ReceivedBlobs();
  readonly #noMoreTasks = withResolvers<void>();
  #isFlushDue = false;
  /** Resolves when the master sends no more tasks. */
  readonly drained: Promise<void>;

  constructor(threads: Threads) {
    this.#threads = threads;
    const frames = new FrameReader((type, body) => this.#onFrame(type, body));
    this.#socket.on('data', chunk => frames.push(chunk));
    // A master that is gone shows on the IPC channel.
    this.#socket.on('error', () => {});
    this.drained = this.#noMoreTasks.promise;
    this.#socket.once('end', this.#noMoreTasks.resolve).once('close', this.#noMoreTasks.resolve);
  }

  /** Sends records, soon. `blobs` is what the only one of them refers to. */
  send(records: Uint8Array, blobs: readonly Uint8Array[] = []): void {
    if (records.length > collected || blobs.length > 0) {
      this.#flush();
      this.#sender.sendBlobs(blobs);
      this.#sender.sendWhole(FrameType.records, records);
      return;
    }
    this.#sender.body.bytes(records);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(() => this.#flush());
  }

  /** Resolves when everything is sent, or can be no more. */
  async close(): Promise<void> {
    this.#flush();
    if (!this.#socket.writable) return;
    const sent = Promise.race([once(this.#socket, 'finish'), once(this.#socket, 'close')]);
    this.#socket.end();
    await sent;
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#sender.hasBody) this.#sender.send(FrameType.records);
  }

  #onFrame(type: number, body: Buffer): void {
    switch (type) {
      case FrameType.run:
        this.#threads.submit(readTasks(body, this.#blobs.take()));
        break;
      case FrameType.blob:
        this.#blobs.add(body);
        break;
      case FrameType.noMoreTasks:
        this.#noMoreTasks.resolve();
        break;
      case FrameType.cancel:
        this.#threads.cancel(body.readUInt32LE(0));
        break;
      case FrameType.recall:
        this.#threads.recall(body.readUInt32LE(0));
        break;
      case FrameType.credit:
        this.#threads.credit(body.readUInt32LE(0), body.readUInt32LE(4));
        break;
    }
  }
}

function readTasks(body: Buffer, blobs: readonly Uint8Array[]): EncodedTask[] {
  const reader = new TaskReader(body, blobs, { at: clock() });
  const tasks: EncodedTask[] = [];
  for (let task = reader.next(); task; task = reader.next()) tasks.push(task);
  return tasks;
}
