/** Piscina: as it is by default, and with many tasks sent to each thread ahead. */

import { module, type Peer } from './peer.ts';

export const piscina: Peer = {
  name: 'piscina',
  kind: 'threads',
  create: ({ workers }) => create(workers, 1),
};

export const piscinaAhead: Peer = {
  name: 'piscina, 64 per thread',
  kind: 'threads',
  create: ({ workers }) => create(workers, 64),
};

async function create(workers: number, concurrentTasksPerWorker: number) {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({
    filename: module('tasks.mjs').href,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker,
  });
  return {
    run: (name: string, payload: unknown) => pool.run(payload, { name }),
    close: () => pool.destroy(),
  };
}
