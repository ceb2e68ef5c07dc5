import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  assertFullStrength,
  createGate,
  errorOf,
  holdThreads,
  outcomeOf,
  startPool,
  tally,
  untilBegun,
  within,
} from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';

const tasks = `
import { appendFileSync } from 'node:fs';
export const spin = file => { writeFileSync(file, ''); for (;;); };
export const busy = ms => { const end = performance.now() + ms; while (performance.now() < end); return ms; };
/** Ends soon after its signal says so, with its reason; notes what it saw. */
export const heed = async ({ begun, note }, { signal }) => {
  writeFileSync(begun, '');
  await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
  appendFileSync(note, signal.reason.name + '\\n');
  throw signal.reason;
};
/** Heeds its signal, or ends after a while. */
export const either = async (value, { signal }) => {
  await delay(20 + value % 30, undefined, { signal });
  return value;
};
export const notes = ([file, value]) => { appendFileSync(file, value + '\\n'); return value; };
`;

test('S44 a task that waits with the caller is dropped: it never runs, and no other one notices', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool, project } = under;
  const gate = createGate(under);
  const holders = await holdThreads(under, 2, gate);
  const file = project.write('ran', '');
  const controllers = Array.from({ length: 100 }, () => new AbortController());
  const outcomes = controllers.map(({ signal }, value) =>
    outcomeOf(pool.run([file, value], { name: 'notes', signal })),
  );
  for (const [at, controller] of controllers.entries()) if (at % 3 === 0) controller.abort();
  // The promise of a task that waits is rejected at once, whatever the others do.
  assert.equal(
    (await within(1000, 'it is rejected', outcomes[0] as Promise<{ error?: Error }>)).error?.name,
    'AbortError',
  );
  gate.open();
  for (const [value, outcome] of (await Promise.all(outcomes)).entries()) {
    if (value % 3 === 0) assert.equal(outcome.error?.name, 'AbortError');
    else assert.equal(outcome.value, value);
  }
  const ran = readFileSync(file, 'utf8').trim().split('\n').map(Number);
  assert.deepEqual(
    ran.sort((a, b) => a - b),
    [...controllers.keys()].filter(value => value % 3 !== 0),
  );
  assert.deepEqual(await Promise.all(holders.map(({ end }) => end)), [
    { value: 'unharmed' },
    { value: 'unharmed' },
  ]);
});

test('S44 an aborted signal keeps a task from ever being sent', async t => {
  const { pool } = await startPool(t, tasks);
  const reason = new Error('too late');
  const error = await errorOf(pool.run(1, { signal: AbortSignal.abort(reason) }));
  assert.equal(error.name, 'AbortError');
  assert.equal(error.cause, reason);
  assert.equal(pool.stats.pending, 0);
});

test('S44 a task that was sent ahead and has not begun is taken back; those around it run', async t => {
  const under = await startPool(t, tasks);
  const { pool } = under;
  // Tiny tasks are sent many at a time.
  for (let warm = 0; warm < 200; warm++) await pool.run(warm);
  for (let round = 0; round < 20; round++) {
    const controllers = Array.from({ length: 300 }, () => new AbortController());
    const outcomes = controllers.map(({ signal }, value) => outcomeOf(pool.run(value, { signal })));
    // They have been sent by then, and some have run.
    await new Promise(setImmediate);
    for (const [at, controller] of controllers.entries()) if (at % 2 === 0) controller.abort();
    for (const [value, { value: result, error }] of (
      await within(10_000, 'all settle', Promise.all(outcomes))
    ).entries()) {
      if (error !== undefined) assert.deepEqual([value % 2, error.name], [0, 'AbortError']);
      else assert.equal(result, value);
    }
  }
  assert.equal(under.pids.size, 1);
});

test('S44 a running task hears of it, and its thread lives on', async t => {
  const under = await startPool(t, tasks, { threads: 2, abortGrace: 20_000 });
  const { pool, project } = under;
  const before = await threadsOf(under.pool);
  const note = project.path('note');
  for (let round = 0; round < 20; round++) {
    const begun = project.path(`begun-${round}`);
    const controller = new AbortController();
    const task = outcomeOf(pool.run({ begun, note }, { name: 'heed', signal: controller.signal }));
    const other = outcomeOf(pool.run(5, { name: 'busy' }));
    await untilBegun(begun);
    controller.abort();
    assert.equal((await task).error?.name, 'AbortError');
    assert.equal((await other).value, 5);
  }
  const { error } = await outcomeOf(
    pool.run({ begun: project.path('last'), note }, { name: 'heed', timeout: 30 }),
  );
  assert.equal(error?.name, 'TaskTimeoutError');
  assert.deepEqual(await threadsOf(pool), before, 'no thread was ended for it');
  // Whose promise is settled may still have to hear of it.
  const heard = () => readFileSync(note, 'utf8').split('\n').slice(0, -1).sort();
  await until('all have heard of it', () => heard().length === 21);
  assert.deepEqual(heard(), [...new Array(20).fill('AbortError'), 'TimeoutError']);
});

test('S44 a running task that does not heed it costs its thread, and those behind it go elsewhere', async t => {
  const under = await startPool(t, tasks, { processes: 2, threads: 1, abortGrace: 50 });
  const { pool, project } = under;
  for (let warm = 0; warm < 200; warm++) await pool.run(warm);
  for (let round = 0; round < 5; round++) {
    const controller = new AbortController();
    const begun = project.path(`spins-${round}`);
    const ahead = Array.from({ length: 50 }, (_, n) => outcomeOf(pool.run(n)));
    const spinning = outcomeOf(pool.run(begun, { name: 'spin', signal: controller.signal }));
    const behind = Array.from({ length: 200 }, (_, n) => outcomeOf(pool.run(n)));
    await untilBegun(begun);
    controller.abort();
    assert.equal((await spinning).error?.name, 'AbortError');
    assert.deepEqual(tally(await within(10_000, 'the others are done', Promise.all([...ahead, ...behind]))), {
      ok: 250,
    });
  }
  assert.equal(under.pids.size, 2, 'no process was ended for it');
  await assertFullStrength(under, 2, 1);
});

test('S44 of tasks that share a thread only the cancelled ones end', async t => {
  const under = await startPool(t, tasks, { threads: 2, concurrentTasksPerWorker: 16, abortGrace: 20_000 });
  const { pool } = under;
  const before = await threadsOf(pool);
  for (let round = 0; round < 8; round++) {
    const controllers = Array.from({ length: 64 }, () => new AbortController());
    const outcomes = controllers.map(({ signal }, value) =>
      outcomeOf(pool.run(value, { name: 'either', signal })),
    );
    const wanted = (value: number) => (value + round) % 3 !== 0;
    // At different times: some wait, some were sent, some run, some have ended.
    for (const [value, controller] of controllers.entries()) {
      if (wanted(value)) continue;
      if (value % 8 === 0) await delay(2);
      controller.abort();
    }
    for (const [value, outcome] of (await within(10_000, 'all settle', Promise.all(outcomes))).entries()) {
      if (wanted(value)) assert.equal(outcome.value, value, `${outcome.error?.stack}`);
      else assert.ok(outcome.error?.name === 'AbortError' || outcome.value === value);
    }
  }
  assert.deepEqual(await threadsOf(pool), before, 'no thread was ended');
});

test('S44 one signal may end some tasks of many, at whatever stage each is', async t => {
  const under = await startPool(t, tasks, { processes: 2, abortGrace: 20_000 });
  const { pool } = under;
  const controller = new AbortController();
  const outcomes = Array.from({ length: 120 }, (_, value) =>
    outcomeOf(pool.run(value, { name: 'either', ...(value % 2 === 0 && { signal: controller.signal }) })),
  );
  await outcomes[1];
  controller.abort();
  for (const [value, { value: result, error }] of (await Promise.all(outcomes)).entries()) {
    if (value % 2 === 0 && error) assert.equal(error.name, 'AbortError');
    else assert.equal(result, value);
  }
  assert.ok((await outcomes[118])?.error, 'the last ones had no chance to run before');
});

test('S44 a signal that is aborted after the end of its task does nothing', async t => {
  const under = await startPool(t, tasks);
  const controller = new AbortController();
  assert.equal(await under.pool.run(1, { signal: controller.signal }), 1);
  const gate = createGate(under);
  const [holder] = await holdThreads(under, 1, gate);
  controller.abort();
  assert.equal(await Promise.race([holder?.end, delay(100, 'still there')]), 'still there');
  gate.open();
  assert.equal((await holder?.end)?.value, 'unharmed');
});

/** Of all threads, in some order. */
async function threadsOf(pool: Awaited<ReturnType<typeof startPool>>['pool']): Promise<string[]> {
  const places = (await pool.broadcast(undefined, { name: 'where' })) as { pid: number; threadId: number }[];
  return places.map(({ pid, threadId }) => `${pid}:${threadId}`).sort();
}
