/** What a configuration needs of the system, and others may have: pidfiles and addresses. */

import type { Configuration } from '../config/types.ts';
import type { ListeningSocket } from '../group/spawn.ts';
import type { Instance } from './instance.ts';
import type { Listeners } from './listeners.ts';

export interface Claim {
  /** In the order of the section's `bind`. */
  sockets(section: string): readonly ListeningSocket[];
  /** Gives up what is not needed any more. */
  commit(): void;
  /** Gives back what is new. */
  rollback(): void;
}

/** Takes what is new, beside what is held already. Where something cannot be had, it throws, and nothing has changed. */
export async function claim(instance: Instance, listeners: Listeners, next: Configuration): Promise<Claim> {
  const pidfiles = await instance.prepare(next.supervisor.pidfiles);
  try {
    const sockets = await listeners.prepare(next);
    return {
      sockets: section => sockets.of(section),
      commit() {
        pidfiles.commit();
        sockets.commit();
      },
      rollback() {
        pidfiles.rollback();
        sockets.rollback();
      },
    };
  } catch (error) {
    pidfiles.rollback();
    throw error;
  }
}
