import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PoolClosedError, QueueFullError, QueueTimeoutError, TaskTimeoutError } from 'processhandler';
import { startCaller } from '../helpers/caller.ts';
import {
  createGate,
  errorOf,
  holdThreads,
  outcomeOf,
  startPool,
  tally,
  untilBegun,
  within,
} from '../helpers/pool.ts';
import { isAlive } from '../helpers/processes.ts';

const tasks = `
import { appendFileSync } from 'node:fs';
export const note = ([file, text]) => appendFileSync(file, text + '\\n');
/** Takes a few ms, or until there is a file. */
export const pace = async ([begun, gate]) => {
  if (begun) writeFileSync(begun, '');
  do await delay(3); while (!existsSync(gate));
  return process.pid;
};
export const busy = ms => { const end = performance.now() + ms; while (performance.now() < end); return ms; };
`;

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);

test('the time to wait and the time to run have limits of their own, and errors of their own', async t => {
  const under = await startPool(t, tasks, { abortGrace: 50 });
  const { pool, project } = under;
  const gate = createGate(under);
  const [holder] = await holdThreads(under, 1, gate);
  const file = project.write('ran', '');
  const waits = await errorOf(pool.run([file, 'x'], { name: 'note', queueTimeout: 30, timeout: 20_000 }));
  assert.ok(waits instanceof QueueTimeoutError, `${waits.stack}`);
  assert.ok(!(waits instanceof TaskTimeoutError));
  assert.equal(waits.code, 'PH_ERR_QUEUE_TIMEOUT');
  gate.open();
  assert.equal((await holder?.end)?.value, 'unharmed');
  assert.deepEqual(linesOf(file), [], 'it never ran');

  const runs = await errorOf(pool.run(0, { name: 'loop', queueTimeout: 20_000, timeout: 30 }));
  assert.ok(runs instanceof TaskTimeoutError, `${runs.stack}`);
  assert.equal(runs.code, 'PH_ERR_TASK_TIMEOUT');
  // The wait for a thread that has to be started anew does not count as a run.
  assert.equal(await pool.run(5, { name: 'busy', timeout: 5000 }), 5);
});

test('a task that has begun in time may run for longer than it may wait', async t => {
  const under = await startPool(t, tasks);
  const { pool, project } = under;
  const gate = createGate(under);
  const begun = project.path('begun');
  const task = pool.run([begun, gate.path], { name: 'wait', queueTimeout: 1000 });
  await untilBegun(begun);
  // When that one gives up, the first still runs.
  assert.ok((await errorOf(pool.run(0, { queueTimeout: 1200 }))) instanceof QueueTimeoutError);
  gate.open();
  await task;
});

test('of many tasks that may not wait for long, each either runs or never does', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool, project } = under;
  const file = project.write('ran', '');
  for (let warm = 0; warm < 50; warm++) await pool.run([file, 'warm'], { name: 'note' });
  const others: Promise<unknown>[] = [];
  const outcomes = Array.from({ length: 200 }, (_, at) => {
    if (at % 10 === 5) others.push(pool.run(5, { name: 'busy' }));
    return outcomeOf(pool.run([file, `${at}`], { name: 'note', queueTimeout: 20 }));
  });
  const settled = await Promise.all(outcomes);
  await Promise.all(others);
  const { ok = 0, QueueTimeoutError: late = 0 } = tally(settled);
  assert.equal(ok + late, 200);
  assert.ok(late > 0, 'what is ahead of the last takes longer than it may wait');
  const ran = linesOf(file).filter(line => line !== 'warm');
  assert.deepEqual(
    ran.map(Number).sort((a, b) => a - b),
    [...settled.keys()].filter(at => settled[at]?.error === undefined),
  );
});

test('S35 a task that waits behind a thread goes to another process that is free sooner', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool, project } = under;
  // Tasks of this name are known to take some ms: one is sent ahead of each thread.
  const gate = createGate(under);
  gate.open();
  const short = () => pool.run([undefined, gate.path], { name: 'pace' });
  for (let known = 0; known < 20; known++) await short();
  const gates = [0, 1].map(n => ({ begun: project.path(`begun-${n}`), path: project.path(`door-${n}`) }));
  const long = gates.map(({ begun, path }) => pool.run([begun, path], { name: 'pace' }));
  await Promise.all(gates.map(({ begun }) => untilBegun(begun)));
  const waiting = [short(), short()];
  await new Promise(setImmediate);
  const outstanding = () => pool.stats.processes.map(process => process.outstanding);
  assert.deepEqual(outstanding(), [2, 2]);
  project.write('door-0', '');
  const free = await long[0];
  for (const each of waiting) assert.equal(await within(5000, 'it has run', each), free);
  project.write('door-1', '');
  assert.notEqual(await long[1], free);
});

test('a limit beyond what a timer can hold is no limit, for a wait as for a run', async t => {
  const under = await startPool(t, tasks, { processes: 1 });
  for (const limit of [2 ** 31, 1e12, Number.POSITIVE_INFINITY]) {
    const options = [{ queueTimeout: limit }, { timeout: limit }];
    for (const option of options) {
      const naps = Array.from({ length: 3 }, () => outcomeOf(under.pool.run(20, { name: 'nap', ...option })));
      assert.deepEqual(tally(await Promise.all(naps)), { ok: 3 }, JSON.stringify(option));
    }
    assert.deepEqual(await under.pool.broadcast(20, { name: 'nap', timeout: limit }), ['slept']);
  }
});

test('the higher priority goes first, and the older of two that are equal', async t => {
  const under = await startPool(t, tasks);
  const { pool, project } = under;
  const gate = createGate(under);
  const [holder] = await holdThreads(under, 1, gate);
  const file = project.write('order', '');
  const run = (priority: number, text: string) => pool.run([file, text], { name: 'note', priority });
  const all = [
    run(0, 'zero'),
    run(-5, 'low'),
    run(100, 'top'),
    run(0.5, 'half'),
    run(100, 'top too'),
    run(50, 'middle'),
    pool.run([file, 'no priority'], { name: 'note' }),
    run(-5, 'low too'),
  ];
  gate.open();
  await Promise.all([...all, holder?.end]);
  assert.deepEqual(linesOf(file), [
    'top',
    'top too',
    'middle',
    'half',
    'zero',
    'no priority',
    'low',
    'low too',
  ]);
});

test('a low priority does not starve behind an endless row of higher ones', async t => {
  const under = await startPool(t, tasks);
  const { pool } = under;
  let isDone = false;
  const row = async () => {
    while (!isDone) await pool.run(4, { name: 'busy', priority: 1 });
  };
  // Always more of them than can run.
  const rows = Array.from({ length: 4 }, row);
  await pool.run(4, { name: 'busy', priority: 1 });
  const begun = performance.now();
  await within(15_000, 'the low one has run', pool.run(0, { name: 'busy', priority: 0 }));
  const waited = performance.now() - begun;
  isDone = true;
  await Promise.all(rows);
  assert.ok(waited > 500, `it was not simply the next: ${waited} ms`);
});

for (const { maxQueue, allowed } of [
  { maxQueue: 5, allowed: 5 },
  { maxQueue: 0, allowed: 0 },
  { maxQueue: 'auto', allowed: 4 },
] as const) {
  test(`maxQueue ${maxQueue} lets ${allowed} tasks wait, and refuses the next at once`, async t => {
    const under = await startPool(t, tasks, { processes: 2, threads: 1, maxQueue });
    const { pool, project } = under;
    const file = project.write('ran', '');
    const gate = createGate(under);
    const holders = await holdThreads(under, 2, gate);
    const waiting = Array.from({ length: allowed }, () =>
      outcomeOf(pool.run([file, 'waited'], { name: 'note' })),
    );
    assert.equal(pool.queueSize, allowed);
    for (let more = 0; more < 3; more++) {
      const error = await errorOf(pool.run([file, 'refused'], { name: 'note' }));
      assert.ok(error instanceof QueueFullError, `${error.stack}`);
      assert.equal(error.code, 'PH_ERR_QUEUE_FULL');
      assert.match(error.message, new RegExp(`${allowed} tasks`));
    }
    gate.open();
    await Promise.all([...waiting, ...holders.map(({ end }) => end)]);
    await pool.run([file, 'later'], { name: 'note' });
    assert.deepEqual(linesOf(file), [...new Array(allowed).fill('waited'), 'later']);
    const { pending, queueSize } = pool.stats;
    assert.deepEqual({ pending, queueSize }, { pending: 0, queueSize: 0 });
  });
}

test('an aborted task makes room in a full queue at once', async t => {
  const under = await startPool(t, tasks, { maxQueue: 2 });
  const { pool } = under;
  const gate = createGate(under);
  const [holder] = await holdThreads(under, 1, gate);
  const controller = new AbortController();
  const aborted = errorOf(pool.run(1, { signal: controller.signal }));
  const stays = pool.run(2);
  assert.ok((await errorOf(pool.run(3))) instanceof QueueFullError);
  controller.abort();
  const takesItsPlace = pool.run(4);
  assert.equal((await aborted).name, 'AbortError');
  gate.open();
  assert.deepEqual(await Promise.all([stays, takesItsPlace]), [2, 4]);
  await holder?.end;
});

test('of tasks with large payloads a process is sent no more at a time than it needs, however short their runs are', async t => {
  const { pool } = await startPool(t, tasks);
  const payload = Buffer.alloc(2 ** 20);
  let most = 0;
  for (let round = 0; round < 2; round++) {
    // Tiny ones of the same name are sent by the hundred.
    for (let warm = 0; warm < 10; warm++) await Promise.all(Array.from({ length: 500 }, () => pool.run(1)));
    const outcomes = Array.from({ length: 100 }, () => outcomeOf(pool.run(payload)));
    await new Promise(setImmediate);
    most = Math.max(most, pool.stats.processes[0]?.outstanding as number);
    assert.deepEqual(tally(await within(20_000, 'all are done', Promise.all(outcomes))), { ok: 100 });
  }
  assert.ok(most <= 32, `${most} MB were sent at once`);
});

test('needsDrain is true while all threads have work, and drain says when one has none', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool } = under;
  let drains = 0;
  pool.on('drain', () => drains++);
  assert.equal(pool.needsDrain, false);
  const gates = [createGate(under), createGate(under)] as const;
  const [first] = await holdThreads(under, 1, gates[0]);
  assert.equal(pool.needsDrain, false, 'one thread is free');
  const [second] = await holdThreads(under, 1, gates[1]);
  assert.equal(pool.needsDrain, true);
  const waiting = pool.run(1);
  gates[0].open();
  await Promise.all([first?.end, waiting]);
  assert.equal(pool.needsDrain, false);
  assert.equal(drains, 1);
  gates[1].open();
  await second?.end;
  assert.equal(drains, 1, 'nothing was needed');

  // A producer that respects it fills the pool and no more.
  let most = 0;
  const results: Promise<unknown>[] = [];
  for (let n = 0; n < 200; n++) {
    if (pool.needsDrain) await once(pool, 'drain');
    results.push(pool.run(n));
    most = Math.max(most, pool.stats.pending);
  }
  assert.deepEqual(
    await Promise.all(results),
    Array.from({ length: 200 }, (_, n) => n),
  );
  assert.equal(most, 2);
});

test('close() waits for all that was asked for, and takes nothing more', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool, project } = under;
  const file = project.write('ran', '');
  const gate = createGate(under);
  const holders = await holdThreads(under, 2, gate);
  const waiting = Array.from({ length: 20 }, (_, n) => pool.run([file, `${n}`], { name: 'note' }));
  let isClosed = false;
  const closing = pool.close().then(() => {
    isClosed = true;
  });
  assert.equal(pool.stats.state, 'closing');
  const calls = [
    pool.run(1),
    pool.broadcast(1),
    pool.stream(1).next(),
    pool.map([1], { concurrency: 1 }).next(),
  ];
  for (const call of calls) {
    const error = await errorOf(call);
    assert.ok(error instanceof PoolClosedError, `${error.stack}`);
    assert.equal(error.code, 'PH_ERR_POOL_CLOSED');
  }
  assert.equal(isClosed, false);
  gate.open();
  await Promise.all(waiting);
  assert.equal(linesOf(file).length, 20);
  for (const { end } of holders) assert.equal((await end).value, 'unharmed');
  await closing;
  assert.equal(pool.stats.state, 'closed');
  assert.deepEqual([...under.pids].filter(isAlive), []);
  assert.ok((await errorOf(pool.run(1))) instanceof PoolClosedError);
});

test('close({ force: true }) rejects what waits, and lets what runs finish', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool, project } = under;
  const file = project.write('ran', '');
  const gate = createGate(under);
  const holders = await holdThreads(under, 2, gate);
  const waiting = Array.from({ length: 20 }, () => errorOf(pool.run([file, 'x'], { name: 'note' })));
  // One that was asked to wait may be told to hurry.
  const gentle = pool.close();
  const forced = pool.close({ force: true });
  for (const error of await Promise.all(waiting)) {
    assert.ok(error instanceof PoolClosedError, `${error.stack}`);
    assert.equal(error.code, 'PH_ERR_POOL_CLOSED');
  }
  gate.open();
  for (const { end } of holders) assert.equal((await end).value, 'unharmed');
  await Promise.all([gentle, forced]);
  assert.deepEqual(linesOf(file), [], 'none of them ran');
  assert.deepEqual([...under.pids].filter(isAlive), []);
});

test('a program with an idle pool that nobody closed exits by itself, and takes its workers along', async t => {
  const caller = startCaller(
    t,
    `
const pool = await createPool({ processes: 2, threads: 2 });
say('results', await Promise.all([1, 2, 3].map(n => pool.run(n))));
for await (const place of pool.stream('nowhere', { name: 'hold' })) { say('place', place); break; }`,
  );
  assert.deepEqual(await caller.said('results'), [1, 2, 3]);
  const { code, signal } = await caller.gone(8000);
  assert.deepEqual({ code, signal, troubles: caller.troubles }, { code: 0, signal: null, troubles: [] });
  assert.equal(caller.workers.length, 2);
});

test('a program does not exit while it waits for a task', async t => {
  const caller = startCaller(
    t,
    `
const pool = await createPool();
pool.run(500, { name: 'nap' }).then(value => say('value', value));`,
  );
  assert.equal(await caller.said('value'), 'slept');
  assert.equal((await caller.gone(8000)).code, 0);
});
