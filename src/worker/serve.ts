/** A server on one of the sockets that the supervisor has bound: it listens, and on stop it drains. */

import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Listener } from '../channel/control.ts';
import { takeWaiting } from './accept-queue.ts';
import { type Connections, connectionsOf, silentLimit } from './connections.ts';

/** How long a connection that is idle when the drain begins is left open, for a request that is on its way, ms. */
const settleTime = 200;
/** Pace at which idle connections are looked for while draining, ms. */
const sweepInterval = 25;
/** The same trouble with accepting is logged that often, ms. */
const quietTime = 10_000;

/** What becomes of a listening socket when its worker drains. */
export type ListenerEnd =
  /** Others accept from it. */
  | 'leave'
  /** Nobody of ours will; somebody else may hold it. */
  | 'empty'
  /** It ends with us. */
  | 'seal';

export interface ServeOptions {
  readonly logger: Logger;
  readonly countRequest: () => void;
  /** Ms in which all has to end. */
  readonly gracefulTimeout: number;
}

export class ServedListener {
  readonly #server: Server;
  readonly #listener: Listener;
  readonly #options: ServeOptions;
  readonly #connections: Connections | undefined;
  /** Of TLS both, the one below and the one above. */
  readonly #sockets = new Set<Socket>();
  #open = 0;
  #accepted = 0;
  readonly #closed: Promise<unknown>;
  #drained: Promise<void> | undefined;
  #troubleAt = -quietTime;

  constructor(server: Server, listener: Listener, options: ServeOptions) {
    this.#server = server;
    this.#listener = listener;
    this.#options = options;
    this.#connections = connectionsOf(server, options.countRequest);
    this.#closed = new Promise(resolve => server.once('close', resolve));
    server.on('connection', socket => this.#onConnection(socket));
    server.on('secureConnection', socket => this.#track(socket));
  }

  get fd(): number {
    return this.#listener.fd;
  }

  get connections(): number {
    return this.#open;
  }

  /** Of all that there were. */
  get accepted(): number {
    return this.#accepted;
  }

  get requests(): number {
    return this.#connections?.requests ?? 0;
  }

  async listen(): Promise<void> {
    const { fd, backlog } = this.#listener;
    // Of a socket that is there already, Node reads the backlog from nowhere else.
    (this.#server as unknown as { listen(socket: object, backlog: number): void }).listen({ fd }, backlog);
    await once(this.#server, 'listening');
    this.#server.on('error', error => this.#onTrouble(error));
  }

  /** Resolves when no connection is open. */
  drain(end: ListenerEnd): Promise<void> {
    this.#drained ??= this.#drain(end);
    return this.#drained;
  }

  async #drain(end: ListenerEnd): Promise<void> {
    this.#connections?.beginDrain();
    if (end !== 'leave' && this.#server.listening) {
      const { gracefulTimeout } = this.#options;
      await takeWaiting(this.#server, end === 'seal', gracefulTimeout).catch(error => this.#onTrouble(error));
    }
    // Not that of HTTP servers, which ends idle connections even where a request has just arrived.
    if (this.#server.listening) net.Server.prototype.close.call(this.#server);
    const closedAt = performance.now();
    const settledAt = closedAt + Math.min(settleTime, this.#options.gracefulTimeout / 4);
    const isClosed = this.#closed.then(() => true);
    for (;;) {
      if (await Promise.race([isClosed, delay(sweepInterval, false)])) return;
      // What the kernel holds for us has been read then: a connection with a request in it is not idle.
      await nextTurn();
      if (performance.now() > settledAt) this.#connections?.closeIdle();
      if (performance.now() > closedAt + silentLimit) this.#endSilent();
    }
  }

  #onConnection(socket: Socket): void {
    this.#track(socket);
    this.#open++;
    this.#accepted++;
    socket.once('close', () => this.#open--);
    // Without requests, it is what counts.
    if (!this.#connections) this.#options.countRequest();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** Where the client has to speak first and has not. */
  #endSilent(): void {
    if (!this.#connections) return;
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  /** Such as no file descriptor that is free: what has been accepted goes on. */
  #onTrouble(error: Error): void {
    if (performance.now() < this.#troubleAt + quietTime) return;
    this.#troubleAt = performance.now();
    this.#options.logger.error({ err: error }, `cannot accept a connection on ${this.#listener.address}`);
  }
}
