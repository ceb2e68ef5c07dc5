/** A job of a queue on a thread: its result, and what its task says of it before that. */

import { decodeThrown } from '../channel/error-value.ts';
import { UnknownTaskError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import type { Job, JobRun } from '../queue/job-threads.ts';
import type { LocalRun } from './local-run.ts';
import type { JobNews, LocalReply } from './thread-protocol.ts';

export interface ThreadJobOptions {
  readonly abort: AbortController;
  readonly takeBack: (id: number) => boolean;
  /** No thread has it any more. */
  readonly onOver: (id: number) => void;
}

export class ThreadJob implements JobRun {
  readonly result: Promise<unknown>;
  readonly #job: Job;
  readonly #task: LocalRun;
  readonly #options: ThreadJobOptions;
  #heard = 0;
  #awaited: { readonly news: number; readonly resolve: () => void } | undefined;

  constructor(job: Job, task: LocalRun, options: ThreadJobOptions) {
    this.#job = job;
    this.#task = task;
    this.#options = options;
    this.result = this.#resultOf(task);
  }

  onNews(news: JobNews): void {
    this.#heard++;
    this.#job.onNews(news);
    if (this.#heard === this.#awaited?.news) this.#awaited.resolve();
  }

  takeBack(): boolean {
    const isTaken = this.#options.takeBack(this.#task.id);
    if (isTaken) this.#options.onOver(this.#task.id);
    return isTaken;
  }

  abort(reason: unknown): void {
    this.#options.abort.abort(reason);
  }

  async #resultOf(task: LocalRun): Promise<unknown> {
    let reply: LocalReply;
    try {
      reply = await task.outcome;
      await this.#heardAll(reply.news ?? 0);
    } finally {
      this.#options.onOver(task.id);
    }
    if ('thrown' in reply) throw decodeThrown(reply.thrown);
    if ('unknown' in reply) throw new UnknownTaskError(task.call.name, reply.unknown);
    return reply.result;
  }

  /** They take another way than the reply, and may come after it. */
  async #heardAll(news: number): Promise<void> {
    if (this.#heard >= news) return;
    const { promise, resolve } = withResolvers<void>();
    this.#awaited = { news, resolve };
    await promise;
  }
}
