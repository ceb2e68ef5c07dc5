/** A job of a queue on its way to a thread, and until that has answered it. */

import type { Arrival, TaskCall } from '../channel/tasks.ts';
import { TaskTimeoutError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import type { Job, JobRun } from '../queue/job-threads.ts';
import { noTrace } from '../trace-context.ts';
import type { JobAnswer, JobText } from './job-answer.ts';
import type { JobNews } from './thread-protocol.ts';
import { nextRpcId, type RpcTask } from './thread-task.ts';

export interface JobTaskEvents {
  /** Takes it out if no thread has begun it; returns whether it could. */
  readonly takeBack: (task: JobTask) => boolean;
  /** Ends it, whether it has begun or not; returns false where it has ended, and its result is on its way. */
  readonly cancel: (task: JobTask) => boolean;
  /** Nobody will hear of it any more. */
  readonly onOver: (task: JobTask) => void;
}

const none: readonly Uint8Array[] = [];
const notArrived: Arrival = { at: 0 };

export class JobTask implements RpcTask, JobRun {
  readonly id = nextRpcId();
  readonly call: TaskCall;
  readonly trace = noTrace;
  readonly bytes: Buffer;
  isAhead = false;
  isLong = false;
  expected = Number.POSITIVE_INFINITY;
  arrival: Arrival = notArrived;
  readonly blobs = none;
  readonly start = 0;
  readonly end: number;
  readonly #job: Job;
  readonly #events: JobTaskEvents;
  readonly #outcome = withResolvers<unknown>();
  /** How much its task has said of it. */
  #heard = 0;
  #isOver = false;

  constructor(call: TaskCall, data: unknown, job: Job, events: JobTaskEvents) {
    this.call = call;
    const text: JobText = { id: job.id, attempt: job.attempt, data };
    this.bytes = Buffer.from(JSON.stringify(text));
    this.end = this.bytes.length;
    this.#job = job;
    this.#events = events;
  }

  get result(): Promise<unknown> {
    return this.#outcome.promise;
  }

  onNews(news: JobNews): void {
    this.#heard++;
    this.#job.onNews(news);
  }

  settle(response: Buffer): void {
    const [said, result]: JobAnswer = JSON.parse(response.toString('utf8'));
    this.#finish(() => this.#outcome.resolve(result), said <= this.#heard);
  }

  fail(error: unknown): void {
    this.#finish(() => this.#outcome.reject(error), false);
  }

  expire(): void {
    this.fail(new TaskTimeoutError(this.call.name, this.call.timeout));
  }

  takeBack(reason: Error): void {
    if (!this.#isOver && this.#events.takeBack(this)) this.fail(reason);
  }

  abort(reason: Error): void {
    if (!this.#isOver && this.#events.cancel(this)) this.fail(reason);
  }

  /** Once; what its task has said of it comes within a turn of the event loop. */
  #finish(settle: () => void, isAllHeard: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const finish = () => {
      this.#events.onOver(this);
      settle();
    };
    if (isAllHeard) finish();
    else setImmediate(() => setImmediate(finish));
  }
}
