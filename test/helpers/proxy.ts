/** A way to a server that can go silent: connections stay open, and nothing comes through. */

import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';

export class SilentProxy {
  readonly port: number;
  readonly #pairs: readonly (readonly [Socket, Socket])[];

  constructor(port: number, pairs: readonly (readonly [Socket, Socket])[]) {
    this.port = port;
    this.#pairs = pairs;
  }

  /** Of the connections that there are, none carries anything any more; new ones do. */
  silence(): void {
    for (const [a, b] of this.#pairs) {
      a.unpipe(b).pause();
      b.unpipe(a).pause();
    }
  }
}

/** Gone when the test ends. */
export async function startProxy(t: TestContext, port: number): Promise<SilentProxy> {
  const pairs: [Socket, Socket][] = [];
  const server = createServer(near => {
    const far = createConnection(port, '127.0.0.1');
    pairs.push([near, far]);
    near.pipe(far).pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, () => {
    server.close();
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  });
  return new SilentProxy((server.address() as { port: number }).port, pairs);
}
