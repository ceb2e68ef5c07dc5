import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pool } from 'processhandler';
import {
  assertFullStrength,
  createGate,
  listOf,
  outcomeOf,
  type PoolUnderTest,
  pidsOf,
  startPool,
  tally,
  untilBegun,
  within,
} from '../helpers/pool.ts';
import { isAlive, until } from '../helpers/processes.ts';

const tasks = `
export const slow = async value => { await delay(20); return value; };
export const busy = ms => { const end = performance.now() + ms; while (performance.now() < end); return ms; };
export async function* count(to) { for (let n = 0; n < to; n++) yield n; }
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
  { kind: 'tiny', name: 'default', ahead: 500, recycles: 3, options: {} },
  { kind: 'slower', name: 'slow', ahead: 50, recycles: 8, options: {} },
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
    while (killed < 3 || drained < 3) {
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

test('S43 a stream that is being read when its process is replaced comes whole', async t => {
  const under = await startPool(t, tasks, { threads: 2, maxTasksPerProcess: 5, gracefulTimeout: 5000 });
  const { pool } = under;
  const [pid] = pidsOf(pool) as [number];
  const stream = pool.stream(500, { name: 'count', highWaterMark: 4 });
  const first = await stream.next();
  await Promise.all(Array.from({ length: 10 }, () => pool.run(1)));
  await until('its process takes no more tasks', () => leaves(pool, pid), 20_000);
  const rest = await within(10_000, 'the stream ends', listOf(stream));
  assert.deepEqual(
    [first.value, ...rest],
    Array.from({ length: 500 }, (_, n) => n),
  );
});

test('S43 a long task outlives the replacement of its process', async t => {
  const under = await startPool(t, tasks, { threads: 2, maxTasksPerProcess: 5 });
  const { pool, project } = under;
  const [pid] = pidsOf(pool) as [number];
  const gate = createGate(under);
  const begun = project.path('begun');
  const long = pool.run([begun, gate.path], { name: 'wait' }) as Promise<{ pid: number }>;
  await untilBegun(begun);
  await Promise.all(Array.from({ length: 10 }, () => pool.run(1)));
  await until('its process takes no more tasks', () => leaves(pool, pid), 20_000);
  gate.open();
  assert.equal((await long).pid, pid);
  await until('it has ended', () => !isAlive(pid));
});

test('S43 a worker process that somebody else ends by TERM finishes what it has, and nothing is lost', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool } = under;
  const [pid] = pidsOf(pool) as [number];
  const tasksThere = Array.from({ length: 300 }, () => outcomeOf(pool.run(1, { name: 'busy' })));
  await tasksThere[0];
  process.kill(pid, 'SIGTERM');
  assert.deepEqual(tally(await Promise.all(tasksThere)), { ok: 300 });
  await until('it has ended', () => !isAlive(pid));
  await assertFullStrength(under, 2, 1);
});

function leaves(pool: Pool, pid: number): boolean {
  return pool.stats.processes.some(process => process.pid === pid && process.state === 'draining');
}
