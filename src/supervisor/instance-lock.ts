/** A lock that the kernel holds for a living process: an abstract Unix socket, which no crash leaves behind (Linux). */

import { createHash } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import net from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How long the holder may take to say who it is, ms; it may be starting, on a machine that is busy. */
const answerLimit = 2000;
/** A holder that refuses to answer has just gone, or has just come. */
const retryDelay = 10;

export type LockAttempt =
  | { readonly acquired: true; readonly release: () => void }
  /** `holder` is its pid; undefined where it does not answer. */
  | { readonly acquired: false; readonly holder: number | undefined };

/** Tries to take the lock of a path whose directory exists. Of any number of tries at once, exactly one succeeds. */
export async function tryLock(path: string): Promise<LockAttempt> {
  const address = lockAddress(path);
  for (const deadline = performance.now() + answerLimit; ; ) {
    const server = await bind(address);
    if (server) return { acquired: true, release: () => server.close() };
    const answer = await askHolder(address);
    if (answer !== 'refused') return { acquired: false, holder: answer };
    if (performance.now() > deadline) return { acquired: false, holder: undefined };
    await delay(retryDelay);
  }
}

/** Undefined where another process has the address. */
function bind(address: string): Promise<net.Server | undefined> {
  const server = net.createServer(socket => socket.on('error', () => {}).end(`${process.pid}`));
  return new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => resolve(server.unref()));
  });
}

/**
 * By the real path, so that every spelling and every symbolic link means the same lock, also when the directory is made
 * anew; and by the file system, so that containers on one network do not mean each other.
 */
function lockAddress(path: string): string {
  const directory = realpathSync(dirname(path));
  const { dev } = statSync(directory);
  const identity = createHash('sha256')
    .update(`${dev}:${join(directory, basename(path))}`)
    .digest('hex');
  return `\0processhandler-${identity}`;
}

/** The holder's pid; undefined where it does not say it. */
function askHolder(address: string): Promise<number | undefined | 'refused'> {
  return new Promise(resolve => {
    let text = '';
    const socket = net.connect(address);
    socket.setTimeout(answerLimit, () => socket.destroy());
    socket.on('data', chunk => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve('refused');
    });
    socket.on('close', () => resolve(/^\d+$/.test(text) ? Number(text) : undefined));
  });
}
