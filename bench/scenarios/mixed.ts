/** How long tiny tasks wait when some others are long. */

import { keepInFlight } from '../lib/load.ts';
import { quantile } from '../lib/statistics.ts';
import { single } from '../peers/index.ts';
import { count, duration, isPool, type Scenario } from './scenario.ts';
import { runTiny } from './tiny.ts';

export const mixed: Scenario = {
  name: 'mixed',
  title: 'Mixed load',
  note: 'Every hundredth task is 50 ms of CPU work, the others are tiny; 64 are in flight. The times are those of the tiny ones.',
  metrics: [
    { key: 'p50', title: 'p50', format: duration },
    { key: 'p99', title: 'p99', format: duration },
    { key: 'rate', title: 'tiny tasks/s', format: count },
  ],
  isFor: peer => isPool(peer) && peer !== single,
  async measure(pool, { quick, turnsPerMs }) {
    const taken: number[] = [];
    const timed = async () => {
      const begun = performance.now();
      await runTiny(pool);
      taken.push(performance.now() - begun);
    };
    const turns = Math.round(50 * turnsPerMs);
    const begun = performance.now();
    const end = begun + (quick ? 200 : 3000);
    let sent = 0;
    await keepInFlight(64, () => {
      if (performance.now() > end) return undefined;
      return sent++ % 100 === 99 ? pool.run('spin', { turns }) : timed();
    });
    return {
      p50: quantile(taken, 0.5),
      p99: quantile(taken, 0.99),
      rate: taken.length / ((performance.now() - begun) / 1000),
    };
  },
};
