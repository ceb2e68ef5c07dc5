/** What a supervisor hands to the one that is to replace it: an environment variable tells which fd is what. */

import { UpgradeError } from '../errors.ts';
import type { SharedLocks } from './instance-lock.ts';

/** Set for the new supervisor, and nowhere else. */
const variable = 'PH_UPGRADE';

export interface Handover extends SharedLocks {
  /** Of the supervisor that is to be replaced. */
  readonly pid: number;
  /** Number of it among those of one configuration. */
  readonly instance: number;
  readonly isDaemon: boolean;
  /** Of the supervisor that is to be replaced. */
  readonly pidfiles: readonly string[];
  /** fds of its listening sockets, and the names of those that somebody else made. */
  readonly sockets: Readonly<Record<string, number>>;
  readonly foreign: readonly string[];
  /** Sections that were stopped by themselves. */
  readonly held: readonly string[];
}

/** The first fd behind those of Node: standard ones and the channel on which the new supervisor tells how it gets on. */
const firstFd = 4;

/** The variable, and the fds that the new supervisor is to find from `firstFd` on. */
export function packHandover(handover: Handover): {
  readonly env: NodeJS.ProcessEnv;
  readonly fds: readonly number[];
} {
  const fds: number[] = [];
  const renumbered = (given: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(given).map(([name, fd]) => [name, firstFd + fds.push(fd) - 1]));
  const { locks, sockets } = handover;
  const packed: Handover = { ...handover, locks: renumbered(locks), sockets: renumbered(sockets) };
  return { env: { [variable]: JSON.stringify(packed) }, fds };
}

/**
 * What was handed to this process; undefined for an ordinary start. The variable is taken off, so that workers do not
 * inherit it. Throws an `UpgradeError` where it comes from nowhere.
 */
export function takeHandover(): Handover | undefined {
  const text = process.env[variable];
  if (text === undefined) return undefined;
  delete process.env[variable];
  try {
    if (!process.send) throw new Error('no supervisor has started this process');
    return JSON.parse(text);
  } catch (error) {
    throw new UpgradeError(
      `${variable} is set, which only a supervisor may set for the one that replaces it; unset it`,
      error,
    );
  }
}
