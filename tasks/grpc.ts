/** A gRPC service on the sockets of `bind`, whose calls run on the threads. `tasks/grpc-client.ts` calls it. */

import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import type * as Grpc from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import {
  QueueFullError,
  QueueTimeoutError,
  type TaskContext,
  TaskTimeoutError,
  Worker,
} from 'processhandler';

interface Range {
  readonly from: number;
  readonly to: number;
}

type UnaryCall = Grpc.ServerUnaryCall<Range, { primes: number }>;
type Reply = Grpc.sendUnaryData<{ primes: number }>;
type StreamingCall = Grpc.ServerWritableStream<Range, { primes: readonly number[] }>;
type HealthCalls = Parameters<Grpc.Server['addService']>[1];

const service = 'primes.v1.Primes';
/** Those of gRPC that this service answers with. */
const Status = { cancelled: 1, invalidArgument: 3, deadlineExceeded: 4, resourceExhausted: 8, internal: 13 };
const largestRange = 100_000_000;
/** Numbers that one task of `List` looks at. */
const pieceSize = 50_000;

/** A task: how many primes there are in a range. */
export function countPrimes(range: Range, context: TaskContext): number {
  let count = 0;
  for (const _ of primesOf(range, context)) count++;
  return count;
}

/** A task: the primes of a range. */
export function listPrimes(range: Range, context: TaskContext): number[] {
  return [...primesOf(range, context)];
}

/** Ends early where nobody waits any more: the deadline is over, or the call was cancelled. */
function* primesOf({ from, to }: Range, context: TaskContext): Generator<number, void, undefined> {
  for (let n = Math.max(2, from); n < to; n++) {
    if (n % 10_000 === 0 && context.signal.aborted) return;
    if (isPrime(n)) yield n;
  }
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

export default class PrimesService extends Worker {
  static override readonly loggerName = 'grpc';
  #health: HealthImplementation | undefined;
  /** Calls of the health service that end only when somebody ends them. */
  readonly #watches = new Set<{ end(): void }>();

  override async initProcess(): Promise<void> {
    // Not at the top: the threads load this file as well, and have no use for these.
    const [grpc, { loadSync }, { HealthImplementation, protoPath }, { ReflectionService }] =
      await Promise.all([
        import('@grpc/grpc-js'),
        import('@grpc/proto-loader'),
        import('grpc-health-check'),
        import('@grpc/reflection'),
      ]);
    const definitions = loadSync([fileURLToPath(new URL('primes.proto', import.meta.url)), protoPath]);
    const server = new grpc.Server();
    server.addService(definitions[service] as Grpc.ServiceDefinition, {
      Count: (call: UnaryCall, reply: Reply) => void this.#count(call, reply),
      List: (call: StreamingCall) => void this.#list(call),
    });
    new ReflectionService(definitions).addToServer(server);
    this.#health = new HealthImplementation({ '': 'SERVING', [service]: 'SERVING' });
    this.#health.addToServer({
      addService: (definition, calls) => this.#addHealth(server, definition, calls),
    });

    const connections = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    this.signal.addEventListener('abort', () => this.#drain(connections));
    for (const listener of this.listeners) {
      const acceptor = net.createServer(socket => {
        connections.injectConnection(socket);
        // It waited in the accept queue: its client is told to go to another worker.
        if (this.signal.aborted) connections.drain(this.config.gracefulTimeout);
      });
      await this.serve(acceptor, listener);
    }
  }

  async #count(call: UnaryCall, reply: Reply): Promise<void> {
    // `serve()` sees connections, and one of them has many calls.
    this.countRequest();
    try {
      const range = this.#checked(call.request);
      const { signal } = this.#cancellation(call);
      const primes = await this.pool.run<number>(range, { name: 'countPrimes', signal });
      reply(null, { primes });
    } catch (error) {
      reply(this.#statusOf(error));
    }
  }

  async #list(call: StreamingCall): Promise<void> {
    this.countRequest();
    const cancellation = this.#cancellation(call);
    try {
      for await (const primes of this.#pieces(this.#checked(call.request), cancellation.signal)) {
        // A slow reader holds the tasks up, and nothing piles up here.
        if (!call.write({ primes })) await once(call, 'drain', { signal: cancellation.signal });
      }
      call.end();
    } catch (error) {
      cancellation.abort();
      call.emit('error', this.#statusOf(error));
    }
  }

  /** In their order, as many at a time as there are threads. */
  async *#pieces({ from, to }: Range, signal: AbortSignal): AsyncGenerator<number[], void, undefined> {
    const running: Promise<number[]>[] = [];
    for (let next = from; next < to || running.length > 0; ) {
      while (next < to && running.length < Math.max(1, this.config.threads)) {
        const range = { from: next, to: Math.min(to, next + pieceSize) };
        const piece = this.pool.run<number[]>(range, { name: 'listPrimes', signal });
        // One that fails while an earlier one is awaited is told of when its turn comes.
        piece.catch(() => {});
        running.push(piece);
        next = range.to;
      }
      yield (await running.shift()) ?? [];
    }
  }

  /** Aborted when the client cancels, is gone, or its deadline is over. */
  #cancellation(call: Grpc.ServerUnaryCall<unknown, unknown> | StreamingCall): AbortController {
    const controller = new AbortController();
    if (call.cancelled) controller.abort();
    call.once('cancelled', () => controller.abort());
    return controller;
  }

  #checked(range: Range): Range {
    const { from, to } = range;
    if (from <= to && to - from <= largestRange) return range;
    throw new RangeError(`expected from <= to, and at most ${largestRange} numbers`);
  }

  /** What an error means to the client. */
  #statusOf(error: unknown): Partial<Grpc.StatusObject> {
    const { name, message: details } = error as Error;
    if (error instanceof RangeError) return { code: Status.invalidArgument, details };
    if (error instanceof QueueFullError) return { code: Status.resourceExhausted, details };
    if (error instanceof TaskTimeoutError || error instanceof QueueTimeoutError) {
      return { code: Status.deadlineExceeded, details };
    }
    if (name === 'AbortError') return { code: Status.cancelled, details };
    this.logger.error({ err: error }, 'a call failed');
    return { code: Status.internal, details };
  }

  /** The package's health service, with the calls kept that watch it. */
  #addHealth(server: Grpc.Server, definition: Grpc.ServiceDefinition, calls: HealthCalls): void {
    const watch = calls.watch as (call: StreamingCall) => void;
    server.addService(definition, {
      ...calls,
      watch: (call: StreamingCall) => {
        this.#watches.add(call);
        call.once('cancelled', () => this.#watches.delete(call));
        watch(call);
      },
    });
  }

  /** New calls go to other workers from now on; those that are open are finished. */
  #drain(connections: Grpc.ConnectionInjector): void {
    for (const name of ['', service]) this.#health?.setStatus(name, 'NOT_SERVING');
    for (const call of this.#watches) call.end();
    connections.drain(this.config.gracefulTimeout);
  }
}
