/** Consumes a queue: one BullMQ worker, from its first attempt to connect until it has nothing in hand. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Worker as BullmqWorker, IQueueBackend, JobProgress } from 'bullmq';
import type { Logger } from 'pino';
import type { QueueState } from '../channel/control.ts';
import { withResolvers } from '../promise.ts';
import { backoff } from './backoff.ts';
import { Guard } from './guard.ts';
import type { JobThreads } from './job-threads.ts';
import { Jobs } from './jobs.ts';
import { isPostgres } from './packages.ts';
import { applySchedule, isOverlapping } from './schedule.ts';
import { type QueueConfig, type QueueServer, queueServer } from './server.ts';
import { isServerTrouble, reasonOf } from './trouble.ts';

export type AnyWorker = BullmqWorker<unknown, unknown, string, IQueueBackend, JobProgress, unknown>;

export interface ConsumerOptions {
  readonly config: QueueConfig;
  readonly threads: JobThreads;
  readonly logger: Logger;
  readonly onRun: () => void;
}

export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #server: QueueServer;
  readonly #guard: Guard;
  readonly #jobs: Jobs;
  #worker: AnyWorker | undefined;
  #isStopped = false;
  #isConnected = false;
  #reason: string | undefined = 'not connected yet';
  #attempts = 0;
  readonly #idle = withResolvers<void>();

  /** Throws a `QueuePackagesError`. */
  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#server = queueServer(options.config, 'patient');
    // Between a job's end and the word of it to the server there is a moment.
    const onSettled = () => {
      if (this.#isStopped) setImmediate(() => this.#checkIdle());
    };
    const { name } = options.config;
    this.#jobs = new Jobs({
      ...options,
      onSettled,
      isOverlapping: job => isOverlapping(this.#worker as AnyWorker, job, name),
    });
    this.#guard = new Guard({
      onSettled,
      onAnswer: () => this.#onConnected(),
      onTrouble: error => this.#onTrouble(error),
    });
  }

  get state(): QueueState {
    return { connected: this.#isConnected, ...(this.#reason !== undefined && { reason: this.#reason }) };
  }

  get concurrency(): number {
    const { concurrency, threads, concurrentTasksPerWorker } = this.#options.config;
    return concurrency ?? threads * concurrentTasksPerWorker;
  }

  get worker(): AnyWorker | undefined {
    return this.#worker;
  }

  /** How long ago the server was asked for a job although there was room for one; ms. */
  get idleFor(): number {
    return this.#isConnected && this.#jobs.size < this.concurrency ? this.#guard.silence : 0;
  }

  /** Connects and consumes, for as long as it takes; never rejects. */
  async start(): Promise<void> {
    while (!this.#isStopped) {
      const worker = this.#create();
      this.#worker = worker;
      try {
        await worker.waitUntilReady();
      } catch (error) {
        this.#onTrouble(error);
        await worker.close(true).catch(() => {});
        await delay(backoff(++this.#attempts));
        continue;
      }
      this.#onConnected();
      if (this.#isStopped) return;
      await worker.run().catch(error => this.#onError(error));
      return;
    }
  }

  /**
   * Takes no job any more and gives back what has not begun, and after `limit` ms what still runs; resolves when nothing
   * is in hand. For its last words the server has `farewell` ms.
   */
  async stop(limit: number, farewell: number): Promise<void> {
    this.#isStopped = true;
    this.#guard.stop();
    await this.#worker?.pause(true);
    this.#jobs.stop();
    this.#checkIdle();
    const isLate = await isLater(this.#idle.promise, limit);
    if (isLate) {
      this.#jobs.giveUp();
      await isLater(this.#idle.promise, farewell);
    } else if (this.#isConnected) {
      await isLater(this.#worker?.close(), farewell);
    }
    const { givenBack, size } = this.#jobs;
    if (givenBack > 0) this.#options.logger.info(`jobs given back: ${givenBack}`);
    if (size > 0)
      this.#options.logger.warn(`jobs that could not be given back, and wait for lock_duration: ${size}`);
    const { finishing } = this.#guard;
    if (finishing > 0)
      this.#options.logger.warn(
        `jobs whose end the server could not be told, and that run again after lock_duration: ${finishing}`,
      );
  }

  /** Whether no job is in hand, and none can come. */
  #checkIdle(): void {
    if (!this.#isStopped || this.#jobs.size > 0 || this.#guard.finishing > 0) return;
    // Where nobody answers, nobody gives a job.
    if (!this.#guard.isTaking || !this.#isConnected) this.#idle.resolve();
  }

  #create(): AnyWorker {
    const { config } = this.#options;
    const { bullmq, createBackend, options } = this.#server;
    const { lockDuration } = config;
    const workerOptions = {
      ...options,
      autorun: false,
      concurrency: this.concurrency,
      lockDuration,
      stalledInterval: lockDuration,
      maxStalledCount: config.maxStalled,
      // The guard has its own.
      runRetryDelay: 100,
      // A notification that comes while the worker does not listen is lost: then it asks by itself, s.
      ...(isPostgres(config.queueUrl) && { drainDelay: 1 }),
      name: `${config.name}@${process.pid}`,
    };
    const worker = new bullmq.Worker(
      config.queue,
      (job, token) => this.#jobs.run(job, token as string),
      workerOptions as never,
      ((...args: Parameters<typeof createBackend>) => {
        const backend = createBackend(...args);
        this.#guard.watch(backend);
        // A connection that closes says why beside it, if at all.
        backend.on('close', () => this.#onTrouble(new Error('connection is closed')));
        backend.on('ready', () => this.#onConnected());
        return backend;
      }) as never,
    ) as unknown as AnyWorker;
    worker.on('error', error => this.#onError(error));
    worker.on('stalled', id => {
      this.#options.logger.warn(`job ${id} went back to the queue: whoever had it is lost`);
    });
    return worker;
  }

  #onError(error: unknown): void {
    if (isServerTrouble(error)) this.#onTrouble(error);
    else this.#options.logger.error(`queue: ${reasonOf(error)}`);
  }

  #onTrouble(error: unknown): void {
    if (this.#isStopped) return;
    const reason = reasonOf(error);
    const isVague = reason === 'connection is closed';
    if (!this.#isConnected && (reason === this.#reason || isVague)) return;
    this.#isConnected = false;
    this.#reason = isVague ? 'the server has closed the connection' : reason;
    this.#options.logger.warn(`queue ${this.#options.config.queue}: not connected: ${this.#reason}`);
  }

  #onConnected(): void {
    if (this.#isConnected || this.#isStopped) return;
    this.#isConnected = true;
    this.#reason = undefined;
    this.#attempts = 0;
    this.#options.logger.info(`queue ${this.#options.config.queue}: connected`);
    void applySchedule(this.#worker as AnyWorker, this.#options.config).catch(error => this.#onError(error));
  }
}

async function isLater(what: Promise<unknown> | undefined, limit: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(limit, true, { signal: timer.signal });
  const inTime = Promise.resolve(what).then(
    () => false,
    () => false,
  );
  try {
    return await Promise.race([inTime, late]);
  } finally {
    timer.abort();
    late.catch(() => {});
  }
}
