import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createGate, errorOf, listOf, startPool, within } from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';

const tasks = `
import { appendFileSync, readFileSync } from 'node:fs';
export const square = n => n * n;
/** The first ones take longest. */
export const jumbled = async n => { await delay((n * 37) % 20); return n; };
/** Notes how many of it run. */
export const gated = async ([file, gate, n]) => {
  appendFileSync(file, 'x\\n');
  while (!existsSync(gate)) await delay(2);
  return n;
};
export const picky = async ([n, bad, file], { signal }) => {
  if (n === bad) {
    // All others that can be in hand have begun.
    while (!existsSync(file + '-begun') || readFileSync(file + '-begun').length < 13 * 2) await delay(2);
    throw new RangeError('not ' + n);
  }
  if (n < bad) return n;
  appendFileSync(file + '-begun', 'x\\n');
  try { await delay(60_000, undefined, { signal }); }
  catch (error) { appendFileSync(file, 'aborted\\n'); throw error; }
};
export const dies = ({ n, bad }) => { if (n === bad) process.kill(process.pid, 'SIGKILL'); return n; };
`;

const linesOf = (path: string) =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
const upTo = (to: number) => Array.from({ length: to }, (_, n) => n);

test('results come in the order of the items, whichever is done first', async t => {
  const { pool } = await startPool(t, tasks, { processes: 2, concurrentTasksPerWorker: 4 });
  assert.deepEqual(await listOf(pool.map(upTo(300), { name: 'jumbled' })), upTo(300));
  assert.deepEqual(await listOf(pool.map(new Set([3, 1, 2]), { name: 'square' })), [9, 1, 4]);
  assert.deepEqual(await listOf(pool.map([], { name: 'square' })), []);
  async function* items() {
    yield 5;
    yield 6;
  }
  assert.deepEqual(await listOf(pool.map(items(), { name: 'square' })), [25, 36]);
});

test('where nothing is said of it, the default export is run', async t => {
  const { pool } = await startPool(t, tasks);
  assert.deepEqual(await listOf(pool.map(upTo(5))), upTo(5));
});

test('unordered results come as they are there, each once', async t => {
  const under = await startPool(t, tasks, { processes: 2, concurrentTasksPerWorker: 4 });
  const results = await listOf(under.pool.map(upTo(300), { name: 'jumbled', ordered: false }));
  assert.notDeepEqual(results, upTo(300));
  assert.deepEqual(
    [...(results as number[])].sort((a, b) => a - b),
    upTo(300),
  );
  // The first one waits for longer than all others take.
  const gate = createGate(under);
  const file = under.project.path('gated');
  const items = upTo(8).map(n => [file, n === 0 ? gate.path : under.project.directory, n]);
  const order: unknown[] = [];
  for await (const n of under.pool.map(items, { name: 'gated', ordered: false })) {
    order.push(n);
    if (order.length === 7) gate.open();
  }
  assert.equal(order.at(-1), 0);
});

for (const concurrency of [1, 3, 10]) {
  test(`no more than ${concurrency} items are in hand, however many there are`, async t => {
    const under = await startPool(t, tasks, { processes: 2, concurrentTasksPerWorker: 16 });
    const gate = createGate(under);
    const file = under.project.path('begun');
    let pulled = 0;
    function* items() {
      for (let n = 0; n < 1e9; n++) {
        pulled++;
        yield [file, gate.path, n];
      }
    }
    const results = under.pool.map(items(), { name: 'gated', concurrency });
    const first = results.next();
    await until('as many run as may', () => linesOf(file).length === concurrency);
    assert.equal(under.pool.stats.pending, concurrency);
    assert.ok(pulled <= concurrency + 1, `${pulled} items were taken`);
    gate.open();
    assert.equal((await first).value, 0);
    for (let n = 1; n < 50; n++) {
      assert.equal((await results.next()).value, n);
      assert.ok(pulled <= n + 1 + concurrency, `${pulled} items were taken for ${n + 1} results`);
    }
    await results.return(undefined);
  });
}

test('a result is given while the next item is still to come', async t => {
  const { pool } = await startPool(t, tasks);
  for (const ordered of [true, false]) {
    let goOn!: (value?: undefined) => void;
    const isWanted = new Promise<void>(resolve => {
      goOn = resolve;
    });
    async function* items() {
      yield 1;
      await isWanted;
      yield 2;
    }
    const results = pool.map(items(), { name: 'square', ordered });
    // An item may depend on what came of the one before.
    const first = await within(3000, 'the first result comes', results.next()).finally(goOn);
    assert.equal(first.value, 1);
    assert.equal((await results.next()).value, 4);
    assert.equal((await results.next()).done, true);
  }
});

test('an error ends it after the results before, aborts the others, and closes the items', async t => {
  const under = await startPool(t, tasks, { concurrentTasksPerWorker: 16, abortGrace: 20_000 });
  const { pool, project } = under;
  const file = project.path('aborted');
  let isClosed = false;
  function* items() {
    try {
      for (let n = 0; ; n++) yield [n, 10, file];
    } finally {
      isClosed = true;
    }
  }
  const results: unknown[] = [];
  const reading = (async () => {
    for await (const n of pool.map(items(), { name: 'picky', concurrency: 14 })) results.push(n);
  })();
  const error = await errorOf(reading);
  assert.ok(error instanceof RangeError);
  assert.equal(error.message, 'not 10');
  assert.deepEqual(results, upTo(10));
  assert.ok(isClosed);
  await until('the others have heard of it', () => linesOf(file).length === 13);
  assert.equal(pool.stats.pending, 0);
  assert.equal(await pool.run(1), 1);
});

test('break aborts what runs, and closes the items', async t => {
  const under = await startPool(t, tasks, { concurrentTasksPerWorker: 16, abortGrace: 20_000 });
  const { pool, project } = under;
  const file = project.path('aborted');
  let isClosed = false;
  async function* items() {
    try {
      // All but the first wait for their end.
      for (let n = 0; ; n++) yield [n, n === 0 ? 1 : 0, file];
    } finally {
      isClosed = true;
    }
  }
  for await (const n of pool.map(items(), { name: 'picky', concurrency: 8 })) {
    assert.equal(n, 0);
    await until('the others run', () => linesOf(`${file}-begun`).length === 7);
    break;
  }
  assert.ok(isClosed);
  assert.equal(pool.stats.pending, 0);
  await until('they have heard of it', () => linesOf(file).length === 7);
});

test('what the items throw comes through, and an abort from outside', async t => {
  const under = await startPool(t, tasks, { abortGrace: 20_000 });
  const { pool, project } = under;
  function* items() {
    yield 1;
    throw new RangeError('of the items');
  }
  assert.equal((await errorOf(listOf(pool.map(items(), { name: 'square' })))).message, 'of the items');
  const controller = new AbortController();
  const reason = new Error('enough');
  const file = project.path('aborted');
  const reading = errorOf(listOf(pool.map([[9, 0, file]], { name: 'picky', signal: controller.signal })));
  await until('it runs', () => pool.stats.pending === 1);
  controller.abort(reason);
  const error = await reading;
  assert.equal(error.name, 'AbortError');
  assert.equal(error.cause, reason);
});

test('a crash ends it, or is survived with retries', async t => {
  const under = await startPool(t, tasks, { processes: 2 });
  const { pool } = under;
  const items = upTo(100).map(n => ({ n, bad: 50 }));
  assert.equal(
    (await errorOf(listOf(pool.map(items, { name: 'dies', concurrency: 8 })))).name,
    'WorkerCrashError',
  );
  const innocent = upTo(2000).map(n => ({ n, bad: -1 }));
  const results = listOf(pool.map(innocent, { name: 'dies', retries: 3 }));
  await until('some have run', () => pool.stats.completed > 200);
  const [victim] = pool.stats.processes.filter(
    ({ state, outstanding }) => state === 'ready' && outstanding > 0,
  );
  if (victim?.pid !== undefined) process.kill(victim.pid, 'SIGKILL');
  assert.deepEqual(await results, upTo(2000));
});
