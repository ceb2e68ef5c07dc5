import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pool } from 'processhandler';
import {
  assertFullStrength,
  createGate,
  listOf,
  outcomeOf,
  pidsOf,
  startPool,
  tally,
  untilBegun,
  within,
} from '../helpers/pool.ts';
import { isAlive, until } from '../helpers/processes.ts';

const tasks = `
export const busy = ms => { const end = performance.now() + ms; while (performance.now() < end); return ms; };
export async function* count(to) { for (let n = 0; n < to; n++) yield n; }
`;

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
