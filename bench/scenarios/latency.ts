/** How long one task takes when nothing else is under way. */

import { times } from '../lib/load.ts';
import { quantile } from '../lib/statistics.ts';
import { duration, type Scenario } from './scenario.ts';

export const latency: Scenario = {
  name: 'latency',
  title: 'One tiny task at a time',
  note: 'The raw socket echo is no pool: one v8-serialised message over the socket pair of a child and back, in a frame with its length.',
  metrics: [
    { key: 'p50', title: 'p50', format: duration },
    { key: 'p99', title: 'p99', format: duration },
  ],
  isFor: () => true,
  async measure(pool, { quick }) {
    const call = async () => {
      await pool.run('tiny', { n: 1 });
    };
    await times(quick ? 20 : 300, 1, call);
    const taken = await times(quick ? 60 : 1000, 1, call);
    return { p50: quantile(taken, 0.5), p99: quantile(taken, 0.99) };
  },
};
