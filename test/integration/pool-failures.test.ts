import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerCrashError } from 'processhandler';
import { costOf, type Failure, failingTasks, smallHeap, smallStack } from '../helpers/failure.ts';
import {
  assertFullStrength,
  createGate,
  holdThreads,
  type PoolUnderTest,
  startPool,
} from '../helpers/pool.ts';
import { failures } from '../helpers/pool-failures.ts';

const processes = 2;
const threads = 2;

const kinds = [
  { kind: 'of two processes with two threads', resourceLimits: undefined },
  { kind: 'whose threads have small stacks', resourceLimits: smallStack },
] as const;

for (const { kind, resourceLimits } of kinds) {
  test(`S40 whatever fails in an idle pool ${kind} costs its own task, thread or process`, async t => {
    const under = await startPool(t, failingTasks, { processes, threads, env: smallHeap, resourceLimits });
    for (const failure of failures) {
      if (failure.smallStack !== (resourceLimits && true)) continue;
      const name = `S40 ${failure.stage}: ${failure.what}`;
      await t.test(name, { timeout: 30_000 }, () => assertCost(under, failure));
    }
    const { pending, queueSize } = under.pool.stats;
    assert.deepEqual({ pending, queueSize }, { pending: 0, queueSize: 0 });
  });
}

/** All other threads are busy meanwhile. */
async function assertCost(under: PoolUnderTest, failure: Failure): Promise<void> {
  const { pool, project } = under;
  const before = pool.stats;
  const gate = createGate(under);
  const others = await holdThreads(under, processes * threads - 1, gate);
  const error = await failure.happen(pool, project).finally(() => {
    gate.open();
    return Promise.all(others.map(({ end }) => end));
  });
  const cost = costOf(failure, error);
  const lostPid = error instanceof WorkerCrashError ? error.pid : undefined;
  let lost = 0;
  for (const { place, end } of others) {
    const { value, error } = await end;
    if (place.pid !== lostPid) {
      assert.equal(value, 'unharmed', `${error}`);
      continue;
    }
    lost++;
    assert.ok(error instanceof WorkerCrashError);
    assert.equal(error.pid, lostPid);
    assert.equal(error.task.name, 'hold');
  }
  assert.equal(lost, cost === 'process' ? threads - 1 : 0);
  const after = pool.stats;
  assert.equal(after.pending, 0);
  assert.equal(after.failed - before.failed, 1 + lost);
  assert.equal(after.completed - before.completed, others.length - lost);
  assert.equal(after.crashes - before.crashes, cost === 'process' ? 1 : 0);
  await assertFullStrength(under, processes, threads);
}

test('S40 a task that posts messages of its own to its parent harms nobody', async t => {
  const source = `
import { parentPort } from 'node:worker_threads';
export const post = () => { for (const message of [null, undefined, 1, 'text', {}, { type: 'unknown' }]) parentPort.postMessage(message); return 'posted'; };`;
  const under = await startPool(t, source, { threads: 2 });
  const gate = createGate(under);
  const [other] = await holdThreads(under, 1, gate);
  assert.equal(await under.pool.run(0, { name: 'post' }), 'posted');
  assert.equal(await under.pool.run(1), 1);
  gate.open();
  assert.equal((await other?.end)?.value, 'unharmed');
  assert.equal(under.pids.size, 1);
});
