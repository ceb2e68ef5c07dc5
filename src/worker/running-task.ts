/** One task while a thread runs it: what it gets as its second argument, and what the host tells it meanwhile. */

import { parentPort, threadId } from 'node:worker_threads';
import type { TaskCall } from '../channel/tasks.ts';
import { taskRunChannel } from '../diagnostics.ts';
import { withResolvers } from '../promise.ts';
import { readTrace, withinTrace } from '../trace-context.ts';
import type { LaneMemory } from './lane-memory.ts';
import type { TaskContext, TaskJob, TaskProgress } from './task-module.ts';
import type { AbortReason, JobNews } from './thread-protocol.ts';

export class RunningTask implements TaskContext {
  readonly threadId = threadId;
  readonly name: string;
  readonly #id: number;
  #attempt: number;
  #job: RunningJob | undefined;
  readonly #trace: string;
  readonly #memory: LaneMemory | undefined;
  readonly #place: number;
  #controller: AbortController | undefined;
  #reason: AbortReason | undefined;
  /** Items that the reader of a stream still takes. */
  #credit: number;
  #credited: { promise: Promise<void>; resolve: (value?: undefined) => void } | undefined;

  /** `place` is the task's in the batch that `memory` is of; a broadcast has neither. `id` is that of the task. */
  constructor(id: number, call: TaskCall, trace: string, memory?: LaneMemory, place = 0) {
    this.name = call.name;
    this.#id = id;
    this.#attempt = call.attempt;
    this.#credit = call.window ?? 0;
    this.#trace = trace;
    this.#memory = memory;
    this.#place = place;
  }

  /** Runs it as a part of its caller's trace, and tells those who have subscribed. */
  observe(run: () => unknown): unknown {
    return withinTrace(this.#trace, () => {
      if (!taskRunChannel.hasSubscribers) return run();
      const { name, attempt, traceparent } = this;
      return taskRunChannel.tracePromise(async () => run(), { name, attempt, threadId, traceparent });
    });
  }

  get traceparent(): string | undefined {
    return readTrace(this.#trace).traceparent;
  }

  get tracestate(): string | undefined {
    return readTrace(this.#trace).tracestate;
  }

  get attempt(): number {
    return this.#attempt;
  }

  get job(): TaskJob | undefined {
    return this.#job;
  }

  /** It runs this job. */
  takeJob(id: string, attempt: number): RunningJob {
    this.#job = new RunningJob(id, this.#id);
    this.#attempt = attempt;
    return this.#job;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.isAborted && !this.#controller.signal.aborted) this.#abortSignal();
    return this.#controller.signal;
  }

  get isAborted(): boolean {
    this.#reason ??= this.#memory?.abortReason(this.#place);
    return this.#reason !== undefined;
  }

  abort(reason: AbortReason): void {
    this.#reason = reason;
    this.#abortSignal();
    this.#credited?.resolve();
  }

  addCredit(items: number): void {
    this.#credit += items;
    this.#credited?.resolve();
  }

  /** Resolves when the reader takes another item, or the task is aborted. */
  async takeCredit(): Promise<void> {
    while (this.#credit <= 0 && !this.isAborted) {
      this.#credited = withResolvers<void>();
      await this.#credited.promise;
    }
    this.#credit--;
  }

  #abortSignal(): void {
    const name = this.#reason === 'timed out' ? 'TimeoutError' : 'AbortError';
    this.#controller?.abort(new DOMException(`the task was ${this.#reason}`, name));
  }
}

/** The job that the task `id` runs. */
class RunningJob implements TaskJob {
  readonly id: string;
  readonly #task: number;
  #said = 0;

  constructor(id: string, task: number) {
    this.id = id;
    this.#task = task;
  }

  progress(value: TaskProgress): void {
    this.#tell({ progress: value });
  }

  log(line: string): void {
    this.#tell({ log: String(line) });
  }

  /** How often the host was told something. */
  get said(): number {
    return this.#said;
  }

  #tell(news: JobNews): void {
    this.#said++;
    parentPort?.postMessage({ type: 'job', id: this.#task, news });
  }
}
