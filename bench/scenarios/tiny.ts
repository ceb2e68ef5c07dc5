/** How many tasks a pool can pass on when the tasks themselves cost nothing. */

import { rate } from '../lib/load.ts';
import type { Pool } from '../peers/peer.ts';
import { count, isPool, type Scenario } from './scenario.ts';

const inFlight = [1, 16, 256, 4096];

export const tiny: Scenario = {
  name: 'tiny',
  title: 'Tiny tasks per second',
  note: 'The task is `({ n }) => n + 1`; the columns are how many are in flight.',
  metrics: inFlight.map(n => ({ key: `${n}`, title: count(n), format: count })),
  isFor: isPool,
  async measure(pool, { quick }) {
    const figures: Record<string, number> = {};
    for (const n of inFlight) {
      await rate(n, quick ? 20 : 300, () => runTiny(pool));
      figures[n] = await rate(n, quick ? 60 : 700, () => runTiny(pool));
    }
    return figures;
  },
};

let n = 0;

/** Throws where the result is wrong. */
export async function runTiny(pool: Pool): Promise<void> {
  const sent = n++;
  const result = await pool.run('tiny', { n: sent });
  if (result !== sent + 1) throw new Error(`tiny of ${sent} was ${result}`);
}
