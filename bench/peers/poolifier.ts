/** poolifier: its fixed pools of threads and of cluster processes. */

import type { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import { module, type Peer } from './peer.ts';

export const poolifierThreads: Peer = {
  name: 'poolifier, threads',
  kind: 'threads',
  async create({ workers }) {
    const { FixedThreadPool } = await import('poolifier');
    return adapt(new FixedThreadPool(workers, fileURLToPath(module('tasks-poolifier-thread.mjs'))));
  },
};

export const poolifierCluster: Peer = {
  name: 'poolifier, cluster',
  kind: 'processes',
  async create({ workers, bytes }) {
    const { FixedClusterPool } = await import('poolifier');
    const file = fileURLToPath(module('tasks-poolifier-cluster.cjs'));
    return adapt(
      new FixedClusterPool(workers, file, bytes ? { settings: { serialization: 'advanced' } } : {}),
    );
  },
};

interface Poolifier {
  readonly emitter?: EventEmitter;
  execute(data: unknown, name: string): Promise<unknown>;
  destroy(): Promise<void>;
}

function adapt(pool: Poolifier) {
  // The event that says that a process ended, without a listener, ends ours.
  pool.emitter?.on('error', () => {});
  return {
    run: (name: string, payload: unknown) => pool.execute(payload, name),
    close: () => pool.destroy(),
  };
}
