/** A Redis server of the test's own. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { cleanUp } from './cleanup.ts';

/** For `skip`: why there is none. */
export const noRedis: string | false =
  spawnSync('redis-server', ['--version']).status === 0
    ? false
    : 'left out: redis-server is not installed (apt-get install redis-server)';

/** Goes before a server that is to end with this process, whatever ends that. */
export const endWithUs: readonly string[] = ['setpriv', '--pdeathsig', 'KILL'];

/** How long a server may take to start, ms. */
const patience = 10_000;

export class Redis {
  readonly port: number;
  readonly #directory: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;

  constructor(port: number, directory: string, flags: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#flags = flags;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid as number;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const settings = ['--port', `${this.port}`, '--dir', this.#directory, '--bind', '127.0.0.1'];
    this.#child = spawn(
      endWithUs[0] as string,
      [
        ...endWithUs.slice(1),
        'redis-server',
        ...settings,
        '--maxmemory-policy',
        'noeviction',
        '--save',
        '',
        '--appendonly',
        'yes',
        ...this.#flags,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exited = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`redis-server has ended with code ${code}`);
    });
    exited.catch(() => {});
    this.#child.stdout?.resume();
    for (const deadline = performance.now() + patience; performance.now() < deadline; ) {
      const answer = await Promise.race([this.command('PING').catch(() => ''), exited]);
      if (/PONG|NOAUTH/.test(answer)) return;
      await delay(10);
    }
    throw new Error(`redis-server has not answered within ${patience} ms`);
  }

  /** TERM: what it holds is on the disk then. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Its answer, as Redis writes it. */
  command(...words: readonly string[]): Promise<string> {
    return this.#ask([words]);
  }

  /** The same with a password. */
  authorized(password: string, ...words: readonly string[]): Promise<string> {
    return this.#ask([['AUTH', password], words]);
  }

  async #ask(commands: readonly (readonly string[])[]): Promise<string> {
    const socket = createConnection(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      let answer = '';
      for (const words of commands) {
        const parts = words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
        socket.write(`*${words.length}\r\n${parts.join('')}`);
        answer = String(await once(socket, 'data'));
      }
      return answer;
    } finally {
      socket.destroy();
    }
  }
}

/** Gone with what it holds when the test ends. */
export async function startRedis(t: TestContext, flags: readonly string[] = []): Promise<Redis> {
  const redis = await prepareRedis(t, flags);
  await redis.start();
  return redis;
}

/** One that is yet to be started. */
export async function prepareRedis(t: TestContext, flags: readonly string[] = []): Promise<Redis> {
  const directory = mkdtempSync(join(tmpdir(), 'redis-'));
  const redis = new Redis(await freePort(), directory, flags);
  cleanUp(t, async () => {
    await redis.stop('SIGKILL');
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  return redis;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
