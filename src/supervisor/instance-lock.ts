/** A lock that the kernel holds for a living process: an abstract Unix socket, which no crash leaves behind (Linux). */

import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import net from 'node:net';
import { basename, dirname } from 'node:path';

/** How long the holder may take to say who it is, ms. */
const answerLimit = 1000;

export type LockAttempt =
  | { readonly acquired: true; readonly release: () => void }
  /** `holder` is its pid; undefined where it does not answer. */
  | { readonly acquired: false; readonly holder: number | undefined };

/** Tries to take the lock of a path whose directory exists. Of any number of tries at once, exactly one succeeds. */
export async function tryLock(path: string): Promise<LockAttempt> {
  const address = lockAddress(path);
  const server = net.createServer(socket => socket.on('error', () => {}).end(`${process.pid}`));
  const isBound = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(address, () => resolve(true));
  });
  if (!isBound) return { acquired: false, holder: await askHolder(address) };
  server.unref();
  return { acquired: true, release: () => server.close() };
}

// By the directory's identity, so that every spelling of a path and every symbolic link means the same lock.
function lockAddress(path: string): string {
  const { dev, ino } = statSync(dirname(path));
  const identity = createHash('sha256')
    .update(`${dev}:${ino}:${basename(path)}`)
    .digest('hex');
  return `\0processhandler-${identity}`;
}

function askHolder(address: string): Promise<number | undefined> {
  return new Promise(resolve => {
    let text = '';
    const socket = net.connect(address);
    socket.setTimeout(answerLimit, () => socket.destroy());
    socket.on('data', chunk => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(/^\d+$/.test(text) ? Number(text) : undefined));
  });
}
