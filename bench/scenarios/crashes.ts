/** What is left when tasks take their process down. */

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { keepInFlight } from '../lib/load.ts';
import { count, isPool, type Scenario } from './scenario.ts';
import { runTiny } from './tiny.ts';

export const crashTasks = (quick: boolean): number => (quick ? 2000 : 10_000);

export const crashes: Scenario = {
  name: 'crashes',
  title: 'Crashes',
  note:
    'One tiny task in 1,000 sends SIGSEGV to its own process, the first time that it runs; 64 are in flight. ' +
    'Lost is what failed and what never ended. Where the pool lets one choose, a task has a second attempt.',
  metrics: [
    { key: 'stalled', title: 'the pool', format: stalled => (stalled ? 'hung' : 'survived') },
    { key: 'lost', title: 'tasks lost', format: count },
    { key: 'rate', title: 'tasks/s', format: count },
  ],
  options: { retries: 1 },
  isFor: isPool,
  async measure(pool, { quick, scratch }) {
    const tasks = crashTasks(quick);
    let sent = 0;
    let succeeded = 0;
    let failed = 0;
    const run = async () => {
      const n = sent++;
      const isCrash = n % 1000 === 500;
      try {
        await (isCrash ? pool.run('crash', { n, marker: join(scratch, `${n}`) }) : runTiny(pool));
        succeeded++;
      } catch {
        failed++;
      }
    };
    const begun = performance.now();
    const all = keepInFlight(64, () => (sent < tasks ? run() : undefined));
    const stall = async () => {
      for (let before = -1; succeeded + failed !== before; ) {
        before = succeeded + failed;
        await delay(quick ? 1000 : 5000);
      }
      return 'stalled';
    };
    const stalled = (await Promise.race([all, stall()])) === 'stalled';
    return {
      stalled: Number(stalled),
      lost: tasks - succeeded,
      rate: stalled ? null : succeeded / ((performance.now() - begun) / 1000),
    };
  },
};
