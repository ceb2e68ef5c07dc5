/** What a pool that has nothing to do weighs. */

import { setTimeout as delay } from 'node:timers/promises';
import { pss, rss, treeOf } from '../lib/processes.ts';
import { count, isPool, type Scenario } from './scenario.ts';

export const memory: Scenario = {
  name: 'memory',
  title: 'Memory',
  note: 'Of the process that has the pool and all below it, idle after some thousand tiny tasks, in MiB. PSS counts a page that n processes share as 1/n of it in each.',
  metrics: [
    { key: 'rss', title: 'RSS', format: count },
    { key: 'pss', title: 'PSS', format: count },
    { key: 'processes', title: 'processes', format: count },
  ],
  isFor: isPool,
  async measure(_pool, { quick }) {
    await delay(quick ? 100 : 1000);
    const processes = treeOf(process.pid);
    const sum = (of: (pid: number) => number) => processes.reduce((total, pid) => total + of(pid), 0);
    return { rss: sum(rss), pss: sum(pss), processes: processes.length };
  },
};
