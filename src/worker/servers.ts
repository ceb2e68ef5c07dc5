/** All servers of a worker process on listening sockets of the supervisor. */

import type { Server } from 'node:net';
import type { ClosingMessage, Listener } from '../channel/control.ts';
import { ListenerTakenError, NoListenerError } from '../errors.ts';
import { type ListenerEnd, ServedListener, type ServeOptions } from './serve.ts';

export class Servers {
  readonly #section: string;
  readonly #options: () => ServeOptions;
  readonly #served: ServedListener[] = [];
  /** Once its server is closed, a socket is gone for this process. */
  readonly #taken = new Set<number>();
  readonly #ends = new Map<number, ListenerEnd>();

  constructor(section: string, options: () => ServeOptions) {
    this.#section = section;
    this.#options = options;
  }

  get connections(): number {
    return this.#served.reduce((sum, { connections }) => sum + connections, 0);
  }

  /** Of all that there were. */
  get accepted(): number {
    return this.#served.reduce((sum, { accepted }) => sum + accepted, 0);
  }

  get requests(): number {
    return this.#served.reduce((sum, { requests }) => sum + requests, 0);
  }

  /** Throws a `NoListenerError`, a `ListenerTakenError`, and what `listen()` fails with. */
  async serve(server: Server, listener: Listener | undefined): Promise<void> {
    if (!listener) throw new NoListenerError(this.#section);
    if (this.#taken.has(listener.fd)) throw new ListenerTakenError(this.#section, listener.address);
    this.#taken.add(listener.fd);
    const served = new ServedListener(server, listener, this.#options());
    await served.listen();
    this.#served.push(served);
  }

  /** Nobody accepts from these after this worker. */
  onClosing({ listeners }: ClosingMessage): void {
    for (const { fd, seal } of listeners) this.#ends.set(fd, seal ? 'seal' : 'empty');
  }

  /** Resolves when all connections have ended. */
  async drain(): Promise<void> {
    await Promise.all(this.#served.map(served => served.drain(this.#ends.get(served.fd) ?? 'leave')));
  }
}
