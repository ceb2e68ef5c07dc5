import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcomeOf, type PoolUnderTest, pidsOf, startPool, tally, within } from '../helpers/pool.ts';
import { isAlive, until } from '../helpers/processes.ts';

const tasks = `
export const slow = async value => { await delay(20); return value; };
`;

/** Keeps the queue full until that many processes were recycled; returns how many tasks that took. */
async function churn(
  { pool }: PoolUnderTest,
  recycles: number,
  ahead: number,
  run: (at: number) => Promise<void>,
) {
  let recycled = 0;
  const others: string[] = [];
  pool.on('process:exit', ({ kind, reason }) => {
    if (kind === 'drained') recycled++;
    else others.push(reason);
  });
  let submitted = 0;
  const feed = async () => {
    while (recycled < recycles) await run(submitted++);
  };
  await within(
    50_000,
    `${recycles} processes are recycled`,
    Promise.all(Array.from({ length: ahead }, feed)),
  );
  assert.deepEqual(others, [], 'no process ends otherwise');
  return submitted;
}

for (const { kind, name, ahead, recycles, options } of [
  { kind: 'tiny', name: 'default', ahead: 500, recycles: 2, options: {} },
  { kind: 'slower', name: 'slow', ahead: 50, recycles: 6, options: {} },
  {
    kind: 'one at a time, each in a new process',
    name: 'default',
    ahead: 1,
    recycles: 2,
    options: { maxTasksPerProcess: 1 },
  },
]) {
  test(`S43 recycling by count never stalls: tasks that are ${kind}`, { timeout: 60_000 }, async t => {
    const under = await startPool(t, tasks, { processes: 2, maxTasksPerProcess: 5, ...options });
    const run = async (at: number) => assert.equal(await under.pool.run(at, { name }), at);
    const submitted = await churn(under, recycles, ahead, run);
    const { completed, failed, pending, crashes } = under.pool.stats;
    assert.deepEqual(
      { completed, failed, pending, crashes },
      { completed: submitted, failed: 0, pending: 0, crashes: 0 },
    );
    await until('nothing is left of those that leave', () => pidsOf(under.pool).length <= 3);
  });
}

test('S43 what is killed while it is being replaced costs what it had, and the recycling goes on', async t => {
  const under = await startPool(t, tasks, { processes: 2, maxTasksPerProcess: 5 });
  const { pool } = under;
  let killed = 0;
  let drained = 0;
  pool.on('process:exit', ({ kind }) => {
    if (kind === 'drained') drained++;
  });
  const outcomes: ReturnType<typeof outcomeOf>[] = [];
  let at = 0;
  const feed = async () => {
    while (killed < 3 || drained < 2) {
      const outcome = outcomeOf(pool.run(at++, { name: 'slow' }));
      outcomes.push(outcome);
      await outcome;
      // Each of what boots, serves and leaves has its turn.
      const victims = pidsOf(pool).filter(isAlive);
      if (at % 50 === 0 && victims.length > 0) {
        process.kill(victims[killed++ % victims.length] as number, 'SIGKILL');
      }
    }
  };
  await within(40_000, 'all feeders are done', Promise.all(Array.from({ length: 20 }, feed)));
  const { ok = 0, WorkerCrashError: lost = 0, ...others } = tally(await Promise.all(outcomes));
  assert.deepEqual(others, {});
  assert.equal(ok + lost, at);
  assert.ok(lost <= killed * 2, `a kill costs no more than what runs: ${lost} of ${killed} kills`);
  await until(
    'both processes serve',
    () => pool.stats.processes.filter(p => p.state === 'ready').length === 2,
  );
});
