/** A lock that the kernel holds for a living process: an abstract Unix socket, which no crash leaves behind (Linux). */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync, statSync } from 'node:fs';
import net from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How long the holder may take to say who it is, ms; it may be starting, on a machine that is busy. */
const answerLimit = 2000;
/** A holder that refuses to answer has just gone, or has just come. */
const retryDelay = 10;
/** Node 20 fills shorter names of abstract sockets up with NUL, Node 24 does not: to each other they are two names. */
const nameLength = 108;

export type LockAttempt =
  | { readonly acquired: true; readonly lock: InstanceLock }
  /** `holder` is its pid; undefined where it does not answer. */
  | { readonly acquired: false; readonly holder: number | undefined };

/** A lock that is held. In an upgrade two processes hold it together: it is free when both have given it up. */
export class InstanceLock {
  readonly name: string;
  /** The pid that whoever finds the lock taken is told. */
  holder: number;
  readonly #server: net.Server;

  private constructor(name: string, holder: number) {
    this.name = name;
    this.holder = holder;
    this.#server = net.createServer(socket => socket.on('error', () => {}).end(`${this.holder}`));
  }

  /** Undefined where another process has it. */
  static async take(name: string): Promise<InstanceLock | undefined> {
    const lock = new InstanceLock(name, process.pid);
    try {
      await lock.#listen(addressOf(name));
      return lock;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
      throw error;
    }
  }

  /** Shares the lock of `holder`, from whom this process has inherited `fd`. */
  static async share(name: string, fd: number, holder: number): Promise<InstanceLock> {
    const lock = new InstanceLock(name, holder);
    await lock.#listen({ fd });
    return lock;
  }

  /** What a child process inherits to share the lock. */
  get fd(): number {
    // Node offers no other way to it.
    return (this.#server as unknown as { _handle: { fd: number } })._handle.fd;
  }

  release(): void {
    this.#server.close();
  }

  async #listen(where: string | { readonly fd: number }): Promise<void> {
    this.#server.listen(where);
    await once(this.#server, 'listening');
    this.#server.unref();
  }
}

/** Locks that were handed to this process, fd by name, and the process that holds them with it. */
export interface SharedLocks {
  readonly pid: number;
  readonly locks: Readonly<Record<string, number>>;
}

/**
 * Tries to take the lock of a path whose directory exists, or shares it where it was handed over. Of any number of
 * tries at once, exactly one succeeds.
 */
export async function tryLock(path: string, shared?: SharedLocks): Promise<LockAttempt> {
  const name = lockName(path);
  const fd = shared?.locks[name];
  if (shared && fd !== undefined)
    return { acquired: true, lock: await InstanceLock.share(name, fd, shared.pid) };
  for (const deadline = performance.now() + answerLimit; ; ) {
    const lock = await InstanceLock.take(name);
    if (lock) return { acquired: true, lock };
    const answer = await askHolder(addressOf(name));
    if (answer !== 'refused') return { acquired: false, holder: answer };
    if (performance.now() > deadline) return { acquired: false, holder: undefined };
    await delay(retryDelay);
  }
}

/**
 * By the real path, so that every spelling and every symbolic link means the same lock, also when the directory is made
 * anew; and by the file system, so that containers on one network do not mean each other.
 */
function lockName(path: string): string {
  const directory = realpathSync(dirname(path));
  const { dev } = statSync(directory);
  return createHash('sha256')
    .update(`${dev}:${join(directory, basename(path))}`)
    .digest('hex');
}

function addressOf(name: string): string {
  return `\0processhandler-${name}`.padEnd(nameLength, '-');
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
