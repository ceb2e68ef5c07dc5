/** Tinypool, with either of its runtimes. */

import { module, type Peer, type PoolOptions } from './peer.ts';

export const tinypoolThreads: Peer = {
  name: 'tinypool, threads',
  kind: 'threads',
  create: options => create('worker_threads', options),
};

export const tinypoolProcesses: Peer = {
  name: 'tinypool, processes',
  kind: 'processes',
  create: options => create('child_process', options),
};

async function create(runtime: 'worker_threads' | 'child_process', { workers, bytes }: PoolOptions) {
  const { Tinypool } = await import('tinypool');
  const pool = new Tinypool({
    runtime,
    filename: module('tasks.mjs').href,
    minThreads: workers,
    maxThreads: workers,
    ...(bytes && { serialization: 'advanced' }),
  });
  // The event that says that a process ended, without a listener, ends ours.
  pool.on('error', () => {});
  return {
    run: (name: string, payload: unknown) => pool.run(payload, { name }),
    close: () => pool.destroy(),
  };
}
