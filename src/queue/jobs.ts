/** The jobs that a worker process has in hand: each runs on a thread, or is given back. */

import { inspect } from 'node:util';
import type { Job as BullmqJob } from 'bullmq';
import type { Logger } from 'pino';
import { UnknownTaskError } from '../errors.ts';
import type { JobNews } from '../worker/thread-protocol.ts';
import type { JobRun, JobThreads } from './job-threads.ts';
import { reasonOf } from './trouble.ts';

export interface JobsOptions {
  readonly threads: JobThreads;
  /** Whether it comes from a schedule whose run before is not over. */
  readonly isOverlapping: (job: BullmqJob) => Promise<boolean>;
  readonly logger: Logger;
  /** A job has run to its end, whatever that was. */
  readonly onRun: () => void;
  /** A job is not in hand any more. */
  readonly onSettled: () => void;
}

/** `run` is what it waits for once it has begun. */
interface Entry {
  run: JobRun | undefined;
}

/** Why a job that is given back has no result. */
class GivenBack extends Error {}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #entries = new Set<Entry>();
  #isStopped = false;
  #givenBack = 0;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Jobs that went back to the queue. */
  get givenBack(): number {
    return this.#givenBack;
  }

  /** Gives back what no thread has begun, and whatever comes from now on. */
  stop(): void {
    this.#isStopped = true;
    for (const { run } of this.#lastFirst) run?.takeBack(new GivenBack());
  }

  /** Gives back what still runs. */
  giveUp(): void {
    for (const { run } of this.#lastFirst) run?.abort(new GivenBack());
  }

  /** What is given back goes before all that wait: so they keep their order. */
  get #lastFirst(): readonly Entry[] {
    return [...this.#entries].reverse();
  }

  /** What BullMQ calls for each job: its result is the job's. */
  async run(job: BullmqJob, token: string): Promise<unknown> {
    const entry: Entry = { run: undefined };
    this.#entries.add(entry);
    const news = new News(job, this.#options.logger);
    try {
      if (this.#isStopped) throw new GivenBack();
      if (job.repeatJobKey !== undefined && (await this.#isOverlapping(job))) return this.#skip(job);
      if (this.#isStopped) throw new GivenBack();
      entry.run = this.#start(job, news);
      const result = await entry.run.result;
      await news.told;
      this.#options.onRun();
      return result;
    } catch (error) {
      if (!(error instanceof GivenBack)) {
        await news.told;
        this.#options.onRun();
        throw failureOf(error);
      }
      return await this.#return(job, token);
    } finally {
      this.#entries.delete(entry);
      this.#options.onSettled();
    }
  }

  #isOverlapping(job: BullmqJob): Promise<boolean> {
    // Where the server cannot tell, the job is none the worse for it.
    return this.#options.isOverlapping(job).catch(() => false);
  }

  #skip(job: BullmqJob): unknown {
    const reason = 'skipped: the run before is not over';
    this.#options.logger.warn(`schedule: job ${job.id} is ${reason}`);
    return { skipped: reason };
  }

  #start(job: BullmqJob, news: News): JobRun {
    const { threads } = this.#options;
    const name = [job.name, 'default'].find(each => threads.taskNames.includes(each));
    if (name === undefined) throw new UnknownTaskError(job.name, threads.taskNames);
    return threads.runJob(job.data, {
      id: job.id as string,
      name,
      // Given back, it has not been run.
      attempt: job.attemptsMade + job.stalledCounter + 1,
      onNews: each => news.add(each),
    });
  }

  async #return(job: BullmqJob, token: string): Promise<never> {
    try {
      await job.moveToWait(token);
      this.#givenBack++;
    } catch (error) {
      // It has not failed for that: it goes back once its lock has expired.
      this.#options.logger.warn(`job ${job.id} could not be given back: ${reasonOf(error)}`);
    }
    const waiting = new Error(`job ${job.id} was given back`);
    // BullMQ leaves such a job where it is.
    waiting.name = 'WaitingError';
    throw waiting;
  }
}

/** To BullMQ, errors of these names say that the job has been moved elsewhere, which no task can do. */
const moved: ReadonlySet<string> = new Set(['DelayedError', 'WaitingError', 'WaitingChildrenError']);

/** What a task threw, as an error that BullMQ takes for a failure: it gives up a job whose task threw `undefined`. */
function failureOf(thrown: unknown): Error {
  if (!(thrown instanceof Error)) return new Error(typeof thrown === 'string' ? thrown : inspect(thrown));
  return moved.has(thrown.name) ? new Error(`${thrown.name}: ${thrown.message}`, { cause: thrown }) : thrown;
}

/** What a task says of its job, on its way to the queue: in its order, and of its progress only the last. */
class News {
  readonly #job: BullmqJob;
  readonly #logger: Logger;
  #waiting: JobNews[] = [];
  #told: Promise<void> | undefined;

  constructor(job: BullmqJob, logger: Logger) {
    this.#job = job;
    this.#logger = logger;
  }

  /** Resolves when the queue has all of it. */
  get told(): Promise<void> | undefined {
    return this.#told;
  }

  add(news: JobNews): void {
    if ('progress' in news) this.#waiting = this.#waiting.filter(each => !('progress' in each));
    this.#waiting.push(news);
    this.#told ??= this.#tell();
  }

  async #tell(): Promise<void> {
    for (let news = this.#waiting.shift(); news; news = this.#waiting.shift()) {
      try {
        if ('progress' in news) await this.#job.updateProgress(news.progress);
        else await this.#job.log(news.log);
      } catch (error) {
        // The job is none the worse for it.
        this.#logger.warn(`job ${this.#job.id}: what its task said of it is lost: ${reasonOf(error)}`);
      }
    }
    this.#told = undefined;
  }
}
