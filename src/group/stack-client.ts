/** Asks a worker's watchdog thread for the stack of its main thread. */

import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { encodeLine, type StackAnswer } from '../channel/watchdog.ts';

export class StackClient {
  readonly #socket: Duplex;
  readonly #waiting = new Map<number, (frames: readonly string[]) => void>();
  #nextId = 1;

  constructor(socket: Duplex) {
    this.#socket = socket;
    // Its worker may be killed at any moment; what that means shows in its exit.
    socket.on('error', () => {});
    createInterface({ input: socket })
      .on('line', line => {
        const { id, frames } = JSON.parse(line) as StackAnswer;
        this.#waiting.get(id)?.(frames);
      })
      // readline passes the socket's errors on.
      .on('error', () => {});
  }

  /** Resolves with no frames where the answer takes longer than `limit` ms. */
  request(limit: number): Promise<readonly string[]> {
    const id = this.#nextId++;
    return new Promise(resolve => {
      const settle = (frames: readonly string[]) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(frames);
      };
      const timer = setTimeout(settle, limit, []);
      this.#waiting.set(id, settle);
      this.#socket.write(encodeLine({ type: 'stack', id }));
    });
  }

  close(): void {
    for (const settle of [...this.#waiting.values()]) settle([]);
    this.#socket.destroy();
  }
}
