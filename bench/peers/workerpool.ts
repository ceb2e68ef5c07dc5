/** workerpool, with threads and with processes. */

import { fileURLToPath } from 'node:url';
import { module, type Peer, type PoolOptions } from './peer.ts';

export const workerpoolThreads: Peer = {
  name: 'workerpool, threads',
  kind: 'threads',
  create: options => create('thread', options),
};

export const workerpoolProcesses: Peer = {
  name: 'workerpool, processes',
  kind: 'processes',
  create: options => create('process', options),
};

async function create(workerType: 'thread' | 'process', { workers, bytes }: PoolOptions) {
  const { default: workerpool } = await import('workerpool');
  const pool = workerpool.pool(fileURLToPath(module('tasks-workerpool.mjs')), {
    workerType,
    minWorkers: workers,
    maxWorkers: workers,
    ...(bytes && { forkOpts: { serialization: 'advanced' } }),
  });
  return {
    // A native promise: `await` takes that of workerpool more slowly.
    run: async (name: string, payload: unknown) => pool.exec(name, [payload]),
    close: async () => pool.terminate(),
  };
}
