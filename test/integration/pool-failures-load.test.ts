import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Pool,
  PoolClosedError,
  type PoolOptions,
  QueueFullError,
  WorkerCrashError,
} from 'processhandler';
import { costOf, type Failure, failingTasks, smallHeap } from '../helpers/failure.ts';
import {
  assertFullStrength,
  errorOf,
  type Outcome,
  outcomeOf,
  type PoolUnderTest,
  startPool,
  within,
} from '../helpers/pool.ts';
import { fewFailures } from '../helpers/pool-failures.ts';
import { isAlive, until } from '../helpers/processes.ts';

const base = { processes: 2, threads: 1, env: smallHeap } satisfies PoolOptions;

/** Tasks beside the one that fails. */
interface Crowd {
  readonly outcomes: Promise<Outcome[]>;
  /** Throws where the value is not that of the `at`-th. */
  readonly check: (value: unknown, at: number) => void;
}

const mebibytes = 16;

function bigCrowd(pool: Pool): Crowd {
  const size = mebibytes * 2 ** 20;
  const payloads = Array.from({ length: 3 }, (_, at) => Buffer.alloc(size, at + 1));
  return {
    outcomes: Promise.all(payloads.map(payload => outcomeOf(pool.run(payload)))),
    check: (value, at) => assert.ok((payloads[at] as Buffer).equals(value as Buffer)),
  };
}

function tinyCrowd(pool: Pool, count: number): Crowd {
  const outcomes = Array.from({ length: count }, (_, at) => outcomeOf(pool.run({ at })));
  return { outcomes: Promise.all(outcomes), check: (value, at) => assert.deepEqual(value, { at }) };
}

/** Only a crash can have cost any of them, and that one. */
async function assertUnharmed(
  { outcomes, check }: Crowd,
  failure: Failure,
  itsError: Error,
): Promise<number> {
  let lost = 0;
  for (const [at, { value, error }] of (await within(20_000, 'all tasks settle', outcomes)).entries()) {
    if (error === undefined) {
      check(value, at);
      continue;
    }
    lost++;
    assert.equal(
      costOf(failure, itsError),
      'process',
      `nothing but a crash costs other tasks: ${error.stack}`,
    );
    assert.ok(error instanceof WorkerCrashError, `${error.stack}`);
    assert.equal(error.pid, (itsError as WorkerCrashError).pid);
  }
  return lost;
}

function assertNothingPending({ pool }: PoolUnderTest): void {
  const { pending, queueSize } = pool.stats;
  assert.deepEqual({ pending, queueSize }, { pending: 0, queueSize: 0 });
}

test(`S41 whatever fails beside payloads of ${mebibytes} MB spoils none of them`, async t => {
  const under = await startPool(t, failingTasks, base);
  for (const failure of fewFailures) {
    await t.test(`S41 ${mebibytes} MB, ${failure.stage}: ${failure.what}`, { timeout: 30_000 }, async () => {
      const crowd = bigCrowd(under.pool);
      const error = await failure.happen(under.pool, under.project);
      await assertUnharmed(crowd, failure, error);
      assertNothingPending(under);
    });
  }
  await assertFullStrength(under, 2, 1);
});

test('S41 whatever fails with a full queue leaves the queue to be worked off', async t => {
  const maxQueue = 2000;
  const under = await startPool(t, failingTasks, { ...base, maxQueue });
  for (const failure of fewFailures) {
    await t.test(`S41 full queue, ${failure.stage}: ${failure.what}`, { timeout: 30_000 }, async () => {
      const before = under.pool.stats;
      const ahead = tinyCrowd(under.pool, 1000);
      const failing = failure.happen(under.pool, under.project);
      // Two of them would not have to wait.
      const behind = tinyCrowd(under.pool, maxQueue + 2 - 1000 - 1);
      assert.ok((await errorOf(under.pool.run(0))) instanceof QueueFullError);
      const error = await failing;
      const lost =
        (await assertUnharmed(ahead, failure, error)) + (await assertUnharmed(behind, failure, error));
      assertNothingPending(under);
      const { completed, failed } = under.pool.stats;
      assert.equal(failed - before.failed, lost + 1);
      assert.equal(completed - before.completed, maxQueue + 1 - lost);
    });
  }
  await assertFullStrength(under, 2, 1);
});

test('S41 whatever fails while processes are recycled is told from their ends', async t => {
  const under = await startPool(t, failingTasks, { ...base, maxTasksPerProcess: 50 });
  const exits: string[] = [];
  under.pool.on('process:exit', ({ kind }) => exits.push(kind));
  for (const failure of fewFailures) {
    await t.test(`S41 recycling, ${failure.stage}: ${failure.what}`, { timeout: 30_000 }, async () => {
      const ahead = tinyCrowd(under.pool, 100);
      const error = await failure.happen(under.pool, under.project);
      const behind = tinyCrowd(under.pool, 100);
      await assertUnharmed(ahead, failure, error);
      await assertUnharmed(behind, failure, error);
      assertNothingPending(under);
    });
  }
  await assertFullStrength(under, 2, 1);
  await until('some that were recycled have ended', () => exits.includes('drained'));
});

for (const failure of fewFailures) {
  test(`S41 during close(), ${failure.stage}: ${failure.what}`, { timeout: 30_000 }, async t => {
    const under = await startPool(t, failingTasks, { ...base, processes: 1 });
    const { pool, project, pids } = under;
    const ahead = tinyCrowd(pool, 50);
    const failing = failure.happen(pool, project);
    const behind = tinyCrowd(pool, 50);
    const closing = pool.close();
    const error = await failing;
    await assertUnharmed(ahead, failure, error);
    await assertUnharmed(behind, failure, error);
    await within(10_000, 'the pool is closed', closing);
    assert.deepEqual([...pids].filter(isAlive), []);
    assert.equal(pool.stats.state, 'closed');
    assertNothingPending(under);
    assert.ok((await errorOf(pool.run(0))) instanceof PoolClosedError);
  });
}
