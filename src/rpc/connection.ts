/** One connection of a client, and what it waits for. */

import type { Socket } from 'node:net';
import type { Exchange } from './exchange.ts';

/** Requests of one connection that may be in hand at a time: answers must not pile up that nobody reads. */
const mostOpen = 100;

export class Connection {
  readonly #socket: Socket;
  #exchanges: Exchange[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => {
      for (const exchange of this.#exchanges) exchange.cancel();
    });
  }

  /** How many requests it waits for. */
  get open(): number {
    if (this.#exchanges.length > 0) this.#exchanges = this.#exchanges.filter(({ isOver }) => !isOver);
    return this.#exchanges.length;
  }

  /** Whether so many requests were sent without waiting for their answers that no further one is taken. */
  get isFull(): boolean {
    return this.open >= mostOpen;
  }

  add(exchange: Exchange): void {
    if (this.#socket.destroyed) exchange.cancel();
    else this.#exchanges.push(exchange);
  }
}
