/** The Worker of a section that consumes a queue. */

import { Worker, type WorkerContext } from '../worker/worker.ts';
import type { Consumer } from './consumer.ts';

const brand = Symbol.for('processhandler.QueueWorker');

export function isQueueWorkerClass(value: unknown): boolean {
  return typeof value === 'function' && (value as { [brand]?: unknown })[brand] === true;
}

/** What the end takes after the last job was given back, ms, and the largest part of `graceful_timeout` that it may be. */
const reserve = 1500;
const largestReserve = 0.5;
/** What of it the server may take for the last words. */
const farewell = 2 / 3;

/**
 * Runs the jobs of the section's `queue` on the threads. A module with tasks and without a Worker class has it where
 * `queue` is set; extend it for what has to be set up beside that.
 */
export class QueueWorker extends Worker {
  static readonly [brand] = true;
  readonly #context: WorkerContext;
  #consumer: Consumer | undefined;

  constructor(context: WorkerContext) {
    super(context);
    this.#context = context;
  }

  /** Whoever overrides it calls it. Rejects with a `QueuePackagesError`; a server that is away is no error. */
  override async initProcess(): Promise<void> {
    // Loaded here, since each thread whose task module imports this package would pay for it.
    const [{ Consumer }, { hasQueue }, { ConsumerWatch }] = await Promise.all([
      import('./consumer.ts'),
      import('./server.ts'),
      import('./consumer-watch.ts'),
    ]);
    const { config, logger } = this;
    if (!hasQueue(config)) {
      logger.warn('there is no queue to consume: queue is not set');
      return;
    }
    const { jobThreads: threads, watchQueue, retire } = this.#context;
    const consumer = new Consumer({
      config,
      threads,
      logger,
      onRun: () => this.countRequest(),
    });
    this.#consumer = consumer;
    watchQueue(() => consumer.state);
    if (config.queueWatchdog > 0)
      new ConsumerWatch(consumer, config.queueWatchdog, retire).start(this.signal);
  }

  /** Consumes until it is stopped, and then finishes what it has, or gives it back. */
  override async run(): Promise<void> {
    void this.#consumer?.start();
    await super.run();
    const { gracefulTimeout } = this.config;
    const rest = Math.min(reserve, gracefulTimeout * largestReserve);
    await this.#consumer?.stop(gracefulTimeout - rest, rest * farewell);
  }
}
