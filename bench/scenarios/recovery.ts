/** How soon a pool of processes serves again after some were killed. */

import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { rate } from '../lib/load.ts';
import { childrenOf } from '../lib/processes.ts';
import { median } from '../lib/statistics.ts';
import type { Pool } from '../peers/peer.ts';
import { duration, type Scenario } from './scenario.ts';
import { runTiny } from './tiny.ts';

const limit = 10_000;

export const recovery: Scenario = {
  name: 'recovery',
  title: 'Killed processes',
  note: 'From `kill -9` of a worker process, or of all of them, to the next task that succeeds.',
  metrics: [
    { key: 'one', title: 'one killed', format: duration },
    { key: 'all', title: 'all killed', format: duration },
  ],
  isFor: ({ kind }) => kind === 'processes' || kind === 'both',
  async measure(pool, { quick }) {
    const processes = childrenOf(process.pid).length;
    const figures: Record<string, number | null> = {};
    for (const [key, victims] of [
      ['one', 1],
      ['all', processes],
    ] as const) {
      const taken: (number | undefined)[] = [];
      for (let i = 0; i < (quick ? 1 : 3); i++) {
        taken.push(await recover(pool, victims));
        if (taken.includes(undefined)) break;
        await settle(pool, processes, quick);
      }
      figures[key] = taken.every(value => value !== undefined) ? median(taken) : null;
    }
    return figures;
  },
};

/** Kills that many worker processes; ms until a task succeeds, undefined where none does. */
async function recover(pool: Pool, victims: number): Promise<number | undefined> {
  for (const pid of childrenOf(process.pid).slice(0, victims)) process.kill(pid, 'SIGKILL');
  const begun = performance.now();
  let served: number | undefined;
  while (served === undefined && performance.now() - begun < limit) {
    const attempt = runTiny(pool).then(
      () => {
        served ??= performance.now() - begun;
      },
      () => undefined,
    );
    // A task that was given to a process that is gone may never end: another one is tried soon.
    await Promise.race([attempt, delay(10)]);
    await nextTurn();
  }
  return served;
}

/** Waits until the pool is whole again, and warm. */
async function settle(pool: Pool, processes: number, quick: boolean): Promise<void> {
  const begun = performance.now();
  while (childrenOf(process.pid).length < processes && performance.now() - begun < (quick ? 500 : 5000))
    await delay(20);
  const warmUp = rate(16, quick ? 50 : 500, () => runTiny(pool).catch(() => undefined));
  await Promise.race([warmUp, delay(2000)]);
}
