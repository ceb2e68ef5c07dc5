import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TaskTimeoutError, ThreadExitError, WorkerCrashError } from 'processhandler';
import { startCaller } from '../helpers/caller.ts';
import {
  assertFullStrength,
  createGate,
  errorOf,
  holdThreads,
  outcomeOf,
  type Place,
  pidsOf,
  startPool,
  untilBegun,
  within,
} from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';

const tasks = `
let warmed = 0;
export const warm = by => (warmed += by);
export const warmth = () => warmed;
export const failOn = threadIds => { if (threadIds.includes(threadId)) throw new RangeError('not here'); return threadId; };
export const loopOn = async ([id, file]) => { if (threadId !== id) return threadId; writeFileSync(file, ''); for (;;); };
export const endOn = ([place, how]) => {
  if (process.pid !== place.pid || threadId !== place.threadId) return threadId;
  if (how === 'exit') process.exit(3);
  process.kill(process.pid, how);
};
export const giveShared = () => new SharedArrayBuffer(8);
export const throwShared = () => { throw Object.assign(new RangeError('mine'), { memory: new SharedArrayBuffer(8) }); };
export const spin = file => { writeFileSync(file, ''); for (;;); };
export const busy = ([ms, file]) => { if (file) writeFileSync(file, ''); const end = performance.now() + ms; while (performance.now() < end); return ms; };
`;

test('a broadcast runs once on every thread of every process, and gives one result each', async t => {
  const { pool } = await startPool(t, tasks, { processes: 2, threads: 2 });
  const places = (await pool.broadcast(undefined, { name: 'where' })) as Place[];
  assert.equal(places.length, 4);
  assert.equal(new Set(places.map(({ pid, threadId }) => `${pid}:${threadId}`)).size, 4);
  assert.deepEqual(new Set(places.map(({ pid }) => pid)), new Set(pidsOf(pool)));
  // What it leaves behind is there for the tasks of that thread.
  assert.deepEqual(await pool.broadcast(2, { name: 'warm' }), [2, 2, 2, 2]);
  assert.deepEqual(await pool.broadcast(3, { name: 'warm' }), [5, 5, 5, 5]);
  for (let n = 0; n < 20; n++) assert.equal(await pool.run(undefined, { name: 'warmth' }), 5);
  const twenty = await Promise.all(Array.from({ length: 20 }, () => pool.broadcast(1, { name: 'warm' })));
  for (const [at, results] of twenty.entries()) assert.deepEqual(results, new Array(4).fill(6 + at));
  assert.equal(pool.stats.pending, 0);
});

test('a thread that fails rejects it, with its own error; those that wait get none twice', async t => {
  const { pool } = await startPool(t, tasks, { processes: 2, threads: 2 });
  const places = (await pool.broadcast(undefined, { name: 'where' })) as Place[];
  const error = await errorOf(pool.broadcast([places[0]?.threadId], { name: 'failOn' }));
  assert.ok(error instanceof RangeError);
  assert.equal(error.message, 'not here');
  assert.equal((await errorOf(pool.broadcast(0, { name: 'missing' }))).code, 'PH_ERR_UNKNOWN_TASK');
  assert.equal((await pool.broadcast(undefined, { name: 'where' })).length, 4);
  // The first error is the answer, and the others may still be on their way.
  await until('nothing is pending', () => pool.stats.pending === 0);
});

test('S40 a broadcast whose payload cannot be cloned leaves nothing behind that close() would wait for', async t => {
  const { pool } = await startPool(t, tasks, { processes: 2 });
  assert.equal((await errorOf(pool.broadcast(() => {}))).name, 'DataCloneError');
  assert.equal(pool.stats.pending, 0);
  await within(5000, 'the pool is closed', pool.close());
});

test('a thread in a loop is ended when the time limit is over, and the next broadcast finds all again', async t => {
  const under = await startPool(t, tasks, { threads: 2 });
  const { pool, project } = under;
  const [{ threadId }] = (await pool.broadcast(undefined, { name: 'where' })) as [Place];
  const file = project.path('loops');
  const error = await errorOf(pool.broadcast([threadId, file], { name: 'loopOn', timeout: 100 }));
  assert.equal(error.code, 'PH_ERR_TASK_TIMEOUT');
  assert.equal(error.name, 'TaskTimeoutError');
  assert.ok(error instanceof TaskTimeoutError, 'of the class that run() rejects with');
  await assertFullStrength(under, 1, 2);
  assert.equal((await pool.broadcast(undefined, { name: 'where' })).length, 2);
  assert.equal(under.pids.size, 1);
});

test('S42 an abort of a broadcast ends what never ends', async t => {
  const under = await startPool(t, tasks, { abortGrace: 100 });
  const { pool, project } = under;
  const file = project.path('spins');
  const controller = new AbortController();
  const broadcast = errorOf(pool.broadcast(file, { name: 'spin', signal: controller.signal }));
  await untilBegun(file);
  controller.abort();
  assert.equal((await broadcast).name, 'AbortError');
  assert.equal(await within(5000, 'its thread is free again', pool.run(1)), 1);
});

for (const how of ['exit', 'SIGKILL'] as const) {
  test(`S40 ${how} in a broadcast rejects it, and the pool goes on`, async t => {
    const under = await startPool(t, tasks, { processes: 2, threads: 2 });
    const { pool } = under;
    const places = (await pool.broadcast(undefined, { name: 'where' })) as Place[];
    const [place] = places as [Place];
    const error = await errorOf(pool.broadcast([place, how], { name: 'endOn' }));
    assert.equal(error.code, how === 'exit' ? 'PH_ERR_THREAD_EXIT' : 'PH_ERR_WORKER_CRASH');
    if (how === 'exit') assert.ok(error instanceof ThreadExitError, 'of the class that run() rejects with');
    else assert.ok(error instanceof WorkerCrashError);
    await assertFullStrength(under, 2, 2);
    assert.equal((await pool.broadcast(undefined, { name: 'where' })).length, 4);
  });
}

test('S40 a broadcast while a thread is being replaced settles', async t => {
  const under = await startPool(t, tasks);
  for (let round = 0; round < 3; round++) {
    assert.ok((await errorOf(under.pool.run(1, { name: 'exit' }))) instanceof ThreadExitError);
    const places = await within(
      5000,
      'the broadcast settles',
      under.pool.broadcast(undefined, { name: 'where' }),
    );
    assert.ok(places.length <= 1);
    assert.equal(await within(5000, 'a task runs', under.pool.run(round)), round);
  }
});

test('S40 what cannot leave its process fails a broadcast, and costs nobody else anything', async t => {
  const under = await startPool(t, tasks, { threads: 2 });
  const gate = createGate(under);
  const [holder] = await holdThreads(under, 1, gate);
  assert.equal((await errorOf(under.pool.broadcast(0, { name: 'giveShared' }))).name, 'DataCloneError');
  const error = await errorOf(under.pool.broadcast(0, { name: 'throwShared' }));
  assert.equal(error.message, 'mine', `${error.stack}`);
  gate.open();
  assert.equal((await holder?.end)?.value, 'unharmed');
  assert.equal(under.pids.size, 1);
});

test('a broadcast while no process is there waits for the next one, and keeps its program alive so long', async t => {
  const caller = startCaller(
    t,
    `
const pool = await createPool();
const [{ pid }] = pool.stats.processes;
process.kill(pid, 'SIGKILL');
while (pool.stats.processes.some(process => process.pid === pid)) await delay(2);
const [place] = await pool.broadcast(undefined, { name: 'where' });
say('place', { ...place, before: pid });`,
  );
  const { pid, before } = (await caller.said('place')) as Place & { readonly before: number };
  assert.notEqual(pid, before);
  assert.equal((await caller.gone()).code, 0);
});

test('a broadcast whose time is over before a busy thread came to it costs no task of that thread', async t => {
  const under = await startPool(t, tasks);
  const { pool, project } = under;
  const file = project.path('busy');
  const busy = outcomeOf(pool.run([600, file], { name: 'busy' }));
  await untilBegun(file);
  // It waits until the thread is free: that is no run of it.
  const broadcast = outcomeOf(pool.broadcast(undefined, { name: 'where', timeout: 50 }));
  assert.equal((await busy).value, 600, 'the task is done');
  await broadcast;
  assert.equal(await pool.run(1), 1);
});

test('a broadcast reaches threads whose tasks wait for something', async t => {
  const under = await startPool(t, tasks, { threads: 2 });
  const gate = createGate(under);
  const holders = await holdThreads(under, 2, gate);
  const places = (await within(
    5000,
    'it runs',
    under.pool.broadcast(undefined, { name: 'where' }),
  )) as Place[];
  assert.deepEqual(new Set(places.map(p => p.threadId)), new Set(holders.map(({ place }) => place.threadId)));
  gate.open();
  for (const { end } of holders) assert.equal((await end).value, 'unharmed');
});
