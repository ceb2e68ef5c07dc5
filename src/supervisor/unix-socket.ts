/** The file of a Unix socket: whose it is, who may connect, and when it goes. */

import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { accountIds } from '../account.ts';
import { AccountError } from '../errors.ts';
import { type BoundSocket, bindUnix } from './bind.ts';
import { tryLock } from './instance-lock.ts';
import type { SocketSettings } from './listening-socket.ts';

/** Owner and group may connect: to do that, a process has to be allowed to write. */
const defaultMode = 0o660;
/** How long another supervisor may take to bind the same path, ms. */
const lockLimit = 2000;
const retryDelay = 10;

/** Takes the place of a socket that nobody serves any more. Throws where somebody does, and what the system refuses. */
export async function bindUnixSocket(path: string, settings: SocketSettings): Promise<BoundSocket> {
  const unlock = await lock(path);
  try {
    for (;;) {
      try {
        return give(bindUnix(path), path, settings);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      }
      await removeStale(path);
    }
  } finally {
    unlock();
  }
}

/** Two who find the same stale socket must not remove each other's new one. */
async function lock(path: string): Promise<() => void> {
  for (const deadline = performance.now() + lockLimit; ; ) {
    const attempt = await tryLock(path);
    if (attempt.acquired) return () => attempt.lock.release();
    if (performance.now() > deadline) throw new Error(`pid ${attempt.holder} is about to bind it`);
    await delay(retryDelay);
  }
}

/** It does not listen yet, so nobody can come in before these are set. */
function give(socket: BoundSocket, path: string, { umask, user, group }: SocketSettings): BoundSocket {
  try {
    chmodSync(path, umask === undefined ? defaultMode : 0o666 & ~umask);
    if (user !== undefined || group !== undefined) {
      const { uid = -1, gid = -1 } = idsOf(user, group);
      chownSync(path, uid, gid);
    }
    return socket;
  } catch (error) {
    socket.close();
    unlinkSync(path);
    throw error;
  }
}

function idsOf(user: string | undefined, group: string | undefined) {
  try {
    return accountIds({ user, group });
  } catch (error) {
    throw new AccountError(user, group, error);
  }
}

async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return;
  if (stats.isSymbolicLink()) throw new Error('is a symbolic link: name the path that it leads to');
  if (!stats.isSocket()) throw new Error('is there, and is no socket');
  const answer = await tryConnect(path);
  if (answer === undefined) throw new Error('is in use: a process accepts connections there');
  if (answer === 'ENOENT') return;
  if (answer !== 'ECONNREFUSED')
    throw new Error(`is there, and it cannot be told whether it is in use (${answer})`);
  unlinkSync(path);
}

/** Undefined where somebody listens, also where so many wait that no more can. */
function tryConnect(path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = net.connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EAGAIN' ? undefined : code));
  });
}
