/** Consumers of a queue that are measured, each in processes of its own, and the Redis that they share. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Queue } from 'bullmq';

export interface ConsumerOptions {
  readonly kind: 'ph' | 'inline' | 'processes' | 'threads';
  readonly concurrency: number;
  /** Of `ph`. */
  readonly threads: number;
  /** How many of them consume. */
  readonly processes: number;
  /** Ms. */
  readonly lockDuration: number;
}

export interface BenchServer {
  readonly url: string;
  stop(): Promise<void>;
}

const ph = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const path = (name: string) => fileURLToPath(new URL(`../modules/${name}`, import.meta.url));
const running = new Set<ChildProcess>();
export const scratch = mkdtempSync(join(tmpdir(), 'bench-queue-'));

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** Throws where `redis-server` is not installed. */
export async function startRedis(): Promise<BenchServer> {
  const port = await freePort();
  const child = launch('redis-server', ['--port', `${port}`, '--save', '', '--dir', scratch]);
  await Promise.race([
    once(child, 'spawn'),
    once(child, 'error').then(() => {
      throw new Error('redis-server is not installed: apt-get install redis-server');
    }),
  ]);
  return { url: `redis://127.0.0.1:${port}`, stop: () => end(child) };
}

/** A queue of that name, to be closed. */
export function openQueue(url: string, name: string): Queue {
  return new Queue(name, { connection: { url, maxRetriesPerRequest: null } });
}

/** Starts consumers; what is returned ends them. */
export async function consume(
  url: string,
  name: string,
  options: ConsumerOptions,
): Promise<() => Promise<void>> {
  const { kind, concurrency, threads, processes, lockDuration } = options;
  if (kind === 'ph') {
    const ini = join(scratch, `${name}.ini`);
    const keys = {
      task: path('queue.mjs'),
      queue: name,
      queue_url: url,
      number_workers: processes,
      threads,
      concurrency,
      lock_duration: `${lockDuration}ms`,
    };
    writeFileSync(
      ini,
      `[bench]\n${Object.entries(keys)
        .map(([key, value]) => `${key} = ${value}\n`)
        .join('')}`,
    );
    const child = launch(process.execPath, [ph, 'run', '-c', ini]);
    return () => end(child);
  }
  const settings = JSON.stringify({ url, name, kind, concurrency, lockDuration });
  const children = Array.from({ length: processes }, () =>
    launch(process.execPath, [path('queue-bullmq.mjs'), settings]),
  );
  return async () => {
    await Promise.all(children.map(end));
  };
}

/** Resolves when that many jobs are completed or failed. */
export async function untilDone(queue: Queue, count: number): Promise<void> {
  for (;;) {
    const { completed = 0, failed = 0 } = await queue.getJobCounts('completed', 'failed');
    if (completed + failed >= count) return;
    await delay(10);
  }
}

function launch(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { cwd: scratch, stdio: 'ignore', detached: true });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** With whatever it has started: BullMQ's sandboxes too. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
