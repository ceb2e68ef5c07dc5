/** Clients that see each byte and each way in which a connection ends. */

import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import type { Ph } from './ph.ts';

/** What `net.connect()` takes for an address of `bind`. */
export function target(address: string): { path: string } | { host: string; port: number } {
  if (address.startsWith('unix:')) return { path: address.slice(5) };
  const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  return { host, port: Number(port) };
}

/** The addresses that a `ph` listens on, in the order in which it said so. */
export async function addressesOf(ph: Ph, count = 1, from = 0): Promise<string[]> {
  return (await ph.logs(/^listening on /, count, from)).map(({ msg }) => msg.slice('listening on '.length));
}

/** A connection on which nothing happens for that long has failed, ms. */
const patience = 20_000;

/** One connection, and all that it has received. */
export class Client {
  readonly socket: net.Socket;
  received = '';
  /** How it ended: `end` and `reset` are the other side's doing. */
  readonly ended: Promise<'end' | 'reset' | 'refused' | 'failed'>;
  readonly #waiting = new Set<() => void>();

  constructor(address: string) {
    this.socket = net.connect({ ...target(address), allowHalfOpen: true });
    this.socket.setTimeout(patience, () => this.socket.destroy());
    let error: NodeJS.ErrnoException | undefined;
    this.socket.on('error', caught => {
      error = caught;
    });
    this.socket.on('data', chunk => {
      this.received += chunk.toString('latin1');
      for (const check of [...this.#waiting]) check();
    });
    this.ended = new Promise(resolve => {
      this.socket.on('end', () => {
        resolve('end');
        for (const check of [...this.#waiting]) check();
      });
      this.socket.on('close', () => {
        for (const check of [...this.#waiting]) check();
        if (error?.code === 'ECONNREFUSED' || error?.code === 'ENOENT') resolve('refused');
        else resolve(error?.code === 'ECONNRESET' || error?.code === 'EPIPE' ? 'reset' : 'failed');
      });
    });
  }

  async connected(): Promise<this> {
    if (this.socket.connecting) await once(this.socket, 'connect');
    return this;
  }

  /** All that came until the other side ended, which this one does then as well. */
  async whole(): Promise<string> {
    const ended = await this.ended;
    this.socket.end();
    if (ended !== 'end') throw new Error(`${ended}: ${JSON.stringify(this.received)}`);
    return this.received;
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  /** Waits until what has been received matches; rejects where the connection ends without it. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const match = pattern.exec(this.received);
        if (!match && !this.socket.destroyed && !this.socket.readableEnded) return;
        this.#waiting.delete(check);
        if (match) resolve(match);
        else reject(new Error(`closed before ${pattern} came: ${JSON.stringify(this.received)}`));
      };
      this.#waiting.add(check);
      check();
    });
  }
}

/** Gone when the test ends. */
export function connect(t: TestContext, address: string): Client {
  const client = new Client(address);
  cleanUp(t, () => client.socket.destroy());
  return client;
}

export const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: test\r\n${headers}\r\n`;
export const lastGet = (path: string) => get(path, 'Connection: close\r\n');

/** The body of an answer to one request on a connection of its own. Rejects where there is none. */
export async function fetchBody(address: string, path = '/'): Promise<string> {
  const received = await new Client(address).send(lastGet(path)).whole();
  const [, body] = /^HTTP\/1\.1 200 [\s\S]*?\r\n\r\n([\s\S]*)$/.exec(received) ?? [];
  if (body === undefined) throw new Error(JSON.stringify(received));
  // Chunks are of no interest here.
  return body.replace(/^[0-9a-f]+\r\n([\s\S]*?)\r\n0\r\n\r\n$/, '$1');
}
