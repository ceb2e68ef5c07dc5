/** Ours, as P processes of T threads each. */

import { module, type Peer } from './peer.ts';

export const processhandler = (processes: number, threads: number): Peer => ({
  name: `processhandler ${processes}×${threads}`,
  kind: 'both',
  async create({ retries }) {
    const { createPool } = await import('processhandler');
    const pool = await createPool(module('tasks.mjs'), { processes, threads, retries });
    return {
      run: (name: string, payload: unknown) => pool.run(payload, { name }),
      close: () => pool.close(),
    };
  },
});
