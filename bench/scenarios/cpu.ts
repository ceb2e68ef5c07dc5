/** How much of the cores is left for the tasks' own work. */

import { keepInFlight } from '../lib/load.ts';
import { single } from '../peers/index.ts';
import { isPool, type Scenario } from './scenario.ts';

const lengths = [1, 10, 100];

export const cpu: Scenario = {
  name: 'cpu',
  title: 'CPU tasks',
  note: 'Efficiency: the work done, against what as many bare threads as there are cores do in that time. Four tasks per core are in flight.',
  metrics: lengths.map(ms => ({
    key: `${ms}`,
    title: `${ms} ms`,
    format: efficiency => `${(100 * efficiency).toFixed(1)} %`,
  })),
  // With one worker it cannot use the cores.
  isFor: peer => isPool(peer) && peer !== single,
  async measure(pool, { quick, cores, turnsPerMs }) {
    const figures: Record<string, number> = {};
    for (const ms of lengths) {
      const turns = Math.round(ms * turnsPerMs);
      const tasks = cores * Math.ceil((quick ? 100 : 1000) / ms);
      let left = tasks;
      const begun = performance.now();
      await keepInFlight(4 * cores, () => (left-- > 0 ? pool.run('spin', { turns }) : undefined));
      figures[ms] = (tasks * ms) / (cores * (performance.now() - begun));
    }
    return figures;
  },
};
