import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { ThreadExitError, WorkerCrashError } from 'processhandler';
import {
  assertFullStrength,
  createGate,
  errorOf,
  holdThreads,
  outcomeOf,
  pidsOf,
  startPool,
  tally,
  untilBegun,
  within,
} from '../helpers/pool.ts';

const tasks = `
import { appendFileSync } from 'node:fs';
/** Ends its process, or thread, for as many attempts as it is told. */
export const unlucky = async ([file, times, how = 'SIGKILL'], { attempt, signal }) => {
  appendFileSync(file, attempt + '\\n');
  if (attempt > times) return { attempt, pid: process.pid };
  if (how === 'exit') process.exit(1);
  process.kill(process.pid, how);
  await delay(60_000);
};
export const poison = file => {
  appendFileSync(file, process.pid + '\\n');
  process.kill(process.pid, 'SIGSEGV');
};
export const innocent = ([file, value], { attempt }) => {
  if (file) appendFileSync(file, value + '\\n');
  return { value, attempt };
};
export const fails = file => { appendFileSync(file, 'x\\n'); throw new RangeError('mine'); };
`;

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);

for (const processes of [1, 2]) {
  const amount = processes === 1 ? 'one process' : `${processes} processes`;
  test(`a poison task takes no more than its own retries, and every innocent one succeeds: ${amount}`, async t => {
    const under = await startPool(t, tasks, { processes, retries: 1 });
    const { pool, project } = under;
    const file = project.write('poison', '');
    // So that many are sent at a time.
    for (let warm = 0; warm < 300; warm++) await pool.run([undefined, warm], { name: 'innocent' });
    const before = pool.stats;
    const count = 600;
    const innocents = (from: number) =>
      Array.from({ length: count / 2 }, (_, n) =>
        outcomeOf(pool.run([undefined, from + n], { name: 'innocent' })),
      );
    const outcomes = [...innocents(0)];
    const poisoned = errorOf(pool.run(file, { name: 'poison' }));
    outcomes.push(...innocents(count / 2));
    const settled = await within(30_000, 'all settle', Promise.all(outcomes));
    let repeated = 0;
    for (const [value, { value: result, error }] of settled.entries()) {
      const { attempt, ...rest } = (result ?? {}) as { value?: number; attempt?: number };
      assert.deepEqual(rest, { value }, `${error?.stack}`);
      if (attempt === 2) repeated++;
      else assert.equal(attempt, 1);
    }
    const error = await poisoned;
    assert.ok(error instanceof WorkerCrashError);
    assert.equal(error.task.attempt, 2);
    assert.match(error.message, /attempt 2/);
    assert.equal(error.signal, 'SIGSEGV');
    assert.equal(new Set(linesOf(file)).size, 2, 'it ran twice, each time in another process');
    assert.equal(linesOf(file).length, 2);
    const { crashes, retried, failed, completed } = pool.stats;
    assert.equal(crashes - before.crashes, 2);
    assert.equal(retried - before.retried, repeated + 1);
    assert.deepEqual([failed - before.failed, completed - before.completed], [1, count]);
    await assertFullStrength(under, processes, 1);
  });
}

test('several poison tasks at a time take no innocent one along', async t => {
  const under = await startPool(t, tasks, { processes: 2, retries: 1 });
  const { pool, project } = under;
  for (let warm = 0; warm < 300; warm++) await pool.run([undefined, warm], { name: 'innocent' });
  const poisoned: ReturnType<typeof errorOf>[] = [];
  const outcomes: ReturnType<typeof outcomeOf>[] = [];
  for (let at = 0; at < 300; at++) {
    if (at % 100 === 50)
      poisoned.push(errorOf(pool.run(project.path(`poison-${at}`), { name: 'poison' }), 30_000));
    // None of them may be lost twice.
    outcomes.push(outcomeOf(pool.run([undefined, at], { name: 'innocent' })));
  }
  assert.deepEqual(tally(await within(30_000, 'all settle', Promise.all(outcomes))), { ok: 300 });
  for (const error of await Promise.all(poisoned)) {
    assert.ok(error instanceof WorkerCrashError);
    assert.equal(error.task.attempt, 2);
  }
  await assertFullStrength(under, 2, 1);
});

test('attempts are counted in the context, up to the retries of the call', async t => {
  const under = await startPool(t, tasks, { processes: 2, retries: 1 });
  const { pool, project } = under;
  const run = (times: number, retries?: number, how?: string) => {
    const file = project.path(`unlucky-${times}-${retries}-${how}`);
    return {
      file,
      outcome: outcomeOf(
        pool.run([file, times, how], { name: 'unlucky', ...(retries !== undefined && { retries }) }),
      ),
    };
  };
  for (const how of ['SIGKILL', 'exit']) {
    const succeeds = run(2, 2, how);
    const { value } = await within(20_000, 'it succeeds', succeeds.outcome);
    assert.equal((value as { attempt: number }).attempt, 3);
    assert.deepEqual(linesOf(succeeds.file), ['1', '2', '3']);

    const fails = run(2, 1, how);
    const { error } = await within(20_000, 'it fails', fails.outcome);
    assert.ok(how === 'exit' ? error instanceof ThreadExitError : error instanceof WorkerCrashError);
    if (error instanceof WorkerCrashError) assert.equal(error.task.attempt, 2);
    assert.deepEqual(linesOf(fails.file), ['1', '2']);

    const never = run(1, 0, how);
    assert.ok((await within(20_000, 'it fails', never.outcome)).error);
    assert.deepEqual(linesOf(never.file), ['1']);
  }
  const byPool = run(1);
  assert.equal(((await byPool.outcome).value as { attempt: number }).attempt, 2, 'the retries of the pool');
});

test('what a task throws is not run again, nor is what ran out of time or was aborted', async t => {
  const under = await startPool(t, tasks, { retries: 5, abortGrace: 50 });
  const { pool, project } = under;
  const file = project.path('fails');
  assert.ok((await errorOf(pool.run(file, { name: 'fails' }))) instanceof RangeError);
  assert.deepEqual(linesOf(file), ['x']);
  assert.equal((await errorOf(pool.run(0, { name: 'loop', timeout: 50 }))).name, 'TaskTimeoutError');
  const controller = new AbortController();
  const aborted = errorOf(pool.run(0, { name: 'loop', signal: controller.signal }));
  controller.abort();
  assert.equal((await aborted).name, 'AbortError');
  await assertFullStrength(under, 1, 1);
  assert.equal(pool.stats.retried, 0);
});

test('without retries a crash rejects what was sent there, and nothing that waits with the caller', async t => {
  const under = await startPool(t, tasks, { processes: 1, threads: 2 });
  const { pool, project } = under;
  const [pid] = pidsOf(pool) as [number];
  const gate = createGate(under);
  const sent = await holdThreads(under, 2, gate);
  const file = project.write('ran', '');
  // Of a name that has never run: none is sent ahead of a free thread.
  const waiting = Array.from({ length: 50 }, (_, value) => pool.run([file, value], { name: 'innocent' }));
  await new Promise(setImmediate);
  assert.equal(pool.stats.processes[0]?.outstanding, 2);
  process.kill(pid, 'SIGKILL');
  for (const { end } of sent) {
    const { error } = await end;
    assert.ok(error instanceof WorkerCrashError);
    assert.equal(error.pid, pid);
  }
  const results = await within(20_000, 'the others are done', Promise.all(waiting));
  assert.deepEqual(
    results,
    Array.from({ length: 50 }, (_, value) => ({ value, attempt: 1 })),
  );
  assert.equal(linesOf(file).length, 50, 'each ran once');
});

for (const when of ['waits for its turn', 'runs']) {
  test(`a task that is run again can be aborted while it ${when}`, async t => {
    const under = await startPool(t, tasks, { retries: 1, abortGrace: 50 });
    const { pool, project } = under;
    const gate = createGate(under);
    const controller = new AbortController();
    const begun = project.path('begun');
    const task = errorOf(pool.run([begun, gate.path], { name: 'wait', signal: controller.signal }));
    await untilBegun(begun);
    rmSync(begun);
    const lost = once(pool, 'process:exit');
    process.kill(pidsOf(pool)[0] as number, 'SIGKILL');
    await lost;
    if (when === 'runs') await untilBegun(begun);
    controller.abort();
    assert.equal((await task).name, 'AbortError');
    assert.equal(pool.stats.retried, 1);
    await assertFullStrength(under, 1, 1);
    assert.equal(existsSync(begun), when === 'runs');
  });
}

test('a stream is never run again: its reader has had a part of it', async t => {
  const under = await startPool(t, tasks, { processes: 2, retries: 3 });
  const gate = createGate(under);
  const [holder] = await holdThreads(under, 1, gate);
  process.kill(holder?.place.pid as number, 'SIGKILL');
  const { error } = (await holder?.end) ?? {};
  assert.ok(error instanceof WorkerCrashError);
  assert.equal(error.task.attempt, 1);
});
