/** A web service: Fastify on the sockets of `bind`, with its CPU work on the threads. */

import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { Worker } from 'processhandler';

// The tasks of this service: what a module exports can run on its threads.
export { countPrimes, fib } from './math.ts';

const numberBelow = (maximum: number) => ({
  params: {
    type: 'object',
    properties: { n: { type: 'integer', minimum: 0, maximum } },
  },
});

export default class Http extends Worker {
  #app: FastifyInstance | undefined;

  override async initProcess(): Promise<void> {
    // Not at the top: the threads load this file as well, and have no use for it.
    const { fastify, LogController } = await import('fastify');
    const loggerInstance: FastifyBaseLogger = this.logger;
    const logController = new LogController({ disableRequestLogging: true });
    const app = fastify({ loggerInstance, logController });
    this.#app = app;

    app.get('/health', () => ({ status: 'ok', worker: this.index, pid: process.pid }));
    this.#addTask(app, '/primes/:n', 50_000_000, 'countPrimes', n => ({ limit: n }));
    this.#addTask(app, '/fib/:n', 45, 'fib', n => ({ n }));

    await app.ready();
    await this.serve(app.server);
  }

  override async stop(): Promise<void> {
    await this.#app?.close();
  }

  /** A route that answers with the result of a task; the task ends when its client has gone. */
  #addTask(
    app: FastifyInstance,
    path: string,
    maximum: number,
    name: string,
    payload: (n: number) => unknown,
  ): void {
    app.get<{ Params: { n: number } }>(path, { schema: numberBelow(maximum) }, async (request, reply) => {
      const { n } = request.params;
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const result = await this.pool.run<number>(payload(n), { name, signal: gone.signal });
      return { n, result };
    });
  }
}
