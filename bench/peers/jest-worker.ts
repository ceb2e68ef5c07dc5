/** jest-worker, with processes (which it has by default) and with threads. */

import { fileURLToPath } from 'node:url';
import { module, type Peer, type PoolOptions, type TaskName } from './peer.ts';

export const jestThreads: Peer = {
  name: 'jest-worker, threads',
  kind: 'threads',
  create: options => create(true, options),
};

export const jestProcesses: Peer = {
  name: 'jest-worker, processes',
  kind: 'processes',
  create: options => create(false, options),
};

const exposedMethods: readonly TaskName[] = ['tiny', 'echo', 'spin', 'crash'];

type Farm = Record<TaskName, (payload: unknown) => Promise<unknown>>;

async function create(enableWorkerThreads: boolean, { workers }: PoolOptions) {
  const { Worker } = await import('jest-worker');
  const farm = new Worker(fileURLToPath(module('tasks.mjs')), {
    numWorkers: workers,
    enableWorkerThreads,
    exposedMethods,
  });
  const tasks = farm as unknown as Farm;
  return {
    run: (name: TaskName, payload: unknown) => tasks[name](payload),
    close: () => farm.end(),
  };
}
