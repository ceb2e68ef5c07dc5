/**
 * Stands between BullMQ's worker and its back end: a server that is away never costs the result of a job that is done, a
 * server that refuses is not asked again at once, and after `stop()` no job is taken.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { IQueueBackend } from 'bullmq';
import { backoff } from './backoff.ts';
import { isServerTrouble } from './trouble.ts';

export interface GuardEvents {
  /** The server has done what it was asked. */
  readonly onAnswer: () => void;
  /** It is away, or refuses. */
  readonly onTrouble: (error: unknown) => void;
  /** It has answered something, or failed to. */
  readonly onSettled: () => void;
}

/** Of BullMQ: the lock of a job is gone; a job is not there; it is not in the state that was expected. */
const Code = { noLock: -2, noJob: -1, otherState: -3 } as const;
/** As a token: whoever holds the lock. */
const anyToken = '0';
/** PostgreSQL says when there is a job, and an answer that was lost would be waited for that long, s: as in Redis. */
const longestWait = 10;

type Finish<Finished> = (token: string, fetchNext: boolean) => Promise<Finished>;

/** A run that is over. */
interface Run<Finished> {
  readonly id: string;
  readonly token: string;
  readonly fetchNext: boolean;
  /** What BullMQ is told where the server knew of its end already. */
  readonly known: () => Finished;
}

export class Guard {
  readonly #events: GuardEvents;
  #isStopped = false;
  #taking = 0;
  #finishing = 0;
  #askedAt = performance.now();
  #failures = 0;

  constructor(events: GuardEvents) {
    this.#events = events;
  }

  /** No job is taken any more, and what is asked for fails rather than being tried again. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Whether the server has been asked for a job and has not answered. */
  get isTaking(): boolean {
    return this.#taking > 0;
  }

  /** Jobs that are done, or failed, and of which the server has been told, and has not answered. */
  get finishing(): number {
    return this.#finishing;
  }

  /** How long ago it was asked for a job, ms. */
  get silence(): number {
    return performance.now() - this.#askedAt;
  }

  /** Replaces methods of this one back end. */
  watch(backend: IQueueBackend): void {
    const moveToActive = backend.moveToActive.bind(backend);
    const moveToCompleted = backend.moveToCompleted.bind(backend);
    const moveToFailed = backend.moveToFailed.bind(backend);
    backend.moveToActive = (token, name) => this.#take(() => moveToActive(token, name));
    // One that has failed, and is to run again, is delayed, or retried at once.
    const moveToDelayed = backend.moveToDelayed.bind(backend);
    const retryJob = backend.retryJob.bind(backend);
    const noJob = (): Awaited<ReturnType<typeof moveToDelayed>> => [];
    const known = () => ({ result: undefined, finishedOn: Date.now() });
    backend.moveToCompleted = (job, value, keep, token, fetchNext) =>
      this.#finish(backend, { id: job.id as string, token, fetchNext, known }, (by, next) =>
        moveToCompleted(job, value, keep, by, next),
      );
    backend.moveToFailed = (job, reason, keep, token, fetchNext, fields) =>
      this.#finish(backend, { id: job.id as string, token, fetchNext, known }, (by, next) =>
        moveToFailed(job, reason, keep, by, next, fields),
      );
    backend.moveToDelayed = (id, timestamp, wait, token = anyToken, options = {}) =>
      this.#finish(
        backend,
        { id, token, fetchNext: options.fetchNext ?? false, known: noJob },
        (by, fetchNext) => moveToDelayed(id, timestamp, wait, by, { ...options, fetchNext }),
      );
    backend.retryJob = (id, lifo, token = anyToken, options) =>
      this.#finish(backend, { id, token, fetchNext: false, known: () => {} }, by =>
        retryJob(id, lifo, by, options),
      );
    const { maximumBlockTimeout = longestWait } = backend;
    Object.defineProperty(backend, 'maximumBlockTimeout', {
      value: Math.min(maximumBlockTimeout, longestWait),
    });
  }

  async #take(ask: () => Promise<unknown[]>): Promise<unknown[]> {
    // No job, no rate limit, none delayed.
    if (this.#isStopped) return [undefined, undefined, 0, 0];
    this.#taking++;
    this.#askedAt = performance.now();
    try {
      const answer = await ask();
      this.#succeeded();
      return answer;
    } catch (error) {
      if (isServerTrouble(error)) this.#events.onTrouble(error);
      await this.#pause();
      throw error;
    } finally {
      this.#taking--;
      this.#events.onSettled();
    }
  }

  async #finish<Finished>(
    backend: IQueueBackend,
    run: Run<Finished>,
    finish: Finish<Finished>,
  ): Promise<Finished> {
    const { token, fetchNext } = run;
    this.#finishing++;
    let isRepeated = false;
    try {
      for (;;) {
        try {
          if (fetchNext) this.#askedAt = performance.now();
          const finished = await finish(token, fetchNext && !this.#isStopped);
          this.#succeeded();
          return finished;
        } catch (error) {
          if (!isServerTrouble(error)) return await this.#finishLate(backend, run, finish, error, isRepeated);
          this.#events.onTrouble(error);
          await this.#pause();
          isRepeated = true;
        }
      }
    } finally {
      this.#finishing--;
      this.#events.onSettled();
    }
  }

  /**
   * The lock has expired while the server was away, or the job was finished and the answer lost. A job that nobody has
   * taken since is finished now, rather than run again.
   */
  async #finishLate<Finished>(
    backend: IQueueBackend,
    { id, known }: Run<Finished>,
    finish: Finish<Finished>,
    why: unknown,
    isRepeated: boolean,
  ): Promise<Finished> {
    let error = why;
    // The drivers repeat what was not answered, too.
    const isLate = codeOf(why) === Code.noLock;
    if (isLate) {
      try {
        return await finish(anyToken, false);
      } catch (again) {
        error = again;
      }
    }
    if (!isLate && !isRepeated) throw why;
    const isGone = codeOf(error) === Code.noJob;
    if (isGone || (codeOf(error) === Code.otherState && (await isOver(backend, id)))) return known();
    throw why;
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#events.onAnswer();
  }

  async #pause(): Promise<void> {
    this.#failures++;
    await delay(backoff(this.#failures));
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}

/** Whether its run has been told of: it waits for the next attempt, if there is one. */
async function isOver(backend: IQueueBackend, id: string): Promise<boolean> {
  return ['completed', 'failed', 'delayed'].includes(await backend.getState(id));
}
