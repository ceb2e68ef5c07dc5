/** Tasks of a pool as its parts see them, and links on which they can be sent. */

import { Duplex, Writable } from 'node:stream';
import { ByteWriter } from '../../src/channel/bytes.ts';
import { FrameSender } from '../../src/channel/frame-sender.ts';
import { FrameType } from '../../src/channel/frames.ts';
import { Status, writeRecord } from '../../src/channel/records.ts';
import type { TaskCall } from '../../src/channel/tasks.ts';
import type { WorkerProcess } from '../../src/group/worker-process.ts';
import { PoolTask } from '../../src/pool/pool-task.ts';
import { WorkerLink } from '../../src/pool/worker-link.ts';

const outcome = { resolve() {}, reject() {} };
const observer = { onSettled() {} };
let lastId = 0;

export interface TaskDetails extends Partial<TaskCall> {
  readonly priority?: number;
  /** By the clock of the test. */
  readonly submittedAt?: number;
  readonly payload?: unknown;
}

export function createTask({ priority = 0, submittedAt = 0, payload, ...call }: TaskDetails = {}): PoolTask {
  const whole: TaskCall = { name: 'default', kind: 'run', timeout: 0, attempt: 1, ...call };
  const limits = { priority, retries: 0, queueTimeout: 0 };
  return Object.assign(new PoolTask(++lastId, whole, payload, outcome, observer, limits), { submittedAt });
}

/** A link to a worker process that answers when the test says so. */
export class TestLink extends WorkerLink {
  readonly #sender: FrameSender;

  constructor() {
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const config = { threads: 1, concurrentTasksPerWorker: 1 };
    const worker = { state: 'ready', ending: undefined, tasks: stream, spec: { config } };
    super(worker as unknown as WorkerProcess, { onRecord() {}, onRoom() {} });
    const answers = new Writable({
      write: (chunk, _encoding, done) => {
        stream.push(chunk);
        done();
      },
    });
    this.#sender = new FrameSender(answers);
  }

  /** Resolves when the link has heard that the task is done. */
  async finish(task: PoolTask): Promise<void> {
    const writer = new ByteWriter();
    writeRecord(writer, task.id, Status.done, 1, undefined);
    this.#sender.sendWhole(FrameType.records, writer.take());
    while ([...this.tasks].includes(task)) await new Promise(setImmediate);
  }
}
