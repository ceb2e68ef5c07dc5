import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ThreadExitError, WorkerCrashError } from 'processhandler';
import {
  assertFullStrength,
  errorOf,
  listOf,
  type PoolUnderTest,
  pidsOf,
  startPool,
  untilBegun,
  within,
} from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';

const tasks = `
import { appendFileSync } from 'node:fs';
export async function* count(to = Infinity) { for (let n = 0; n < to; n++) yield n; }
export function* countInStep(to) { for (let n = 0; n < to; n++) yield n; }
export const later = async to => { await null; return count(to); };
export const list = () => ['a', 'b'];
export const number = () => 3;
/** Notes each item when it is made, and its end. */
export async function* noted(file) {
  try { for (let n = 0; ; n++) { appendFileSync(file, n + '\\n'); yield n; } }
  finally { appendFileSync(file, 'end\\n'); }
}
/** Takes no notice of anything. */
export async function* deaf(file) {
  yield process.pid;
  writeFileSync(file, '');
  for (;;) await delay(1);
}
export async function* breaks([to, how]) {
  for (let n = 0; n < to; n++) yield n;
  if (how === 'throw') throw new RangeError('in mid-stream');
  if (how === 'uncloneable') yield () => {};
  if (how === 'exit') process.exit(3);
  process.kill(process.pid, how);
  await delay(60_000);
}
export async function* big([size, to]) { for (let n = 0; n < to; n++) yield Buffer.alloc(size, n); }
export async function* heeds(file, { signal }) {
  yield 1;
  await new Promise(resolve => signal.addEventListener('abort', resolve));
  writeFileSync(file, signal.reason.name);
}
`;

const linesOf = (path: string) =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];

test('items come in order, from generators of either kind, from a promise of one, and from what can be iterated', async t => {
  const { pool } = await startPool(t, tasks);
  const upTo = (to: number) => Array.from({ length: to }, (_, n) => n);
  for (const to of [0, 1, 15, 16, 17, 1000]) {
    assert.deepEqual(await listOf(pool.stream(to, { name: 'count' })), upTo(to));
  }
  assert.deepEqual(await listOf(pool.stream(20, { name: 'countInStep' })), upTo(20));
  assert.deepEqual(await listOf(pool.stream(20, { name: 'later' })), upTo(20));
  assert.deepEqual(await listOf(pool.stream(0, { name: 'list' })), ['a', 'b']);
  for (const highWaterMark of [1, 2, 1000]) {
    assert.deepEqual(await listOf(pool.stream(50, { name: 'count', highWaterMark })), upTo(50));
  }
});

test('what is no generator cannot be streamed, and a generator cannot be run: both errors say so', async t => {
  const { pool } = await startPool(t, tasks);
  assert.match((await errorOf(pool.stream(0, { name: 'number' }).next())).message, /no generator.*run\(\)/);
  assert.match((await errorOf(pool.run(0, { name: 'count' }))).message, /generator.*stream\(\)/);
  assert.equal((await errorOf(pool.stream(0, { name: 'missing' }).next())).code, 'PH_ERR_UNKNOWN_TASK');
});

for (const highWaterMark of [1, 4, 16]) {
  test(`a slow reader stops the generator: of ${highWaterMark} items on their way one more is made at the most`, async t => {
    const { pool, project } = await startPool(t, tasks);
    const file = project.path('made');
    const stream = pool.stream(file, { name: 'noted', highWaterMark });
    let taken = 0;
    for (const pause of [1, 3, 10, 30]) {
      for (let n = 0; n < pause; n++) assert.equal((await stream.next()).value, taken++);
      // Until nothing has come for a while: as many as it may have made.
      let made = -1;
      await until('the generator stands still', () => {
        const before = made;
        made = linesOf(file).length;
        return made === before;
      });
      await delay(50);
      made = linesOf(file).length;
      assert.ok(made <= taken + highWaterMark + 1, `${made} were made, ${taken} were taken`);
    }
    await stream.return(undefined);
  });
}

test('break ends the generator, whose finally runs, and frees its thread', async t => {
  const under = await startPool(t, tasks, { abortGrace: 20_000 });
  const { pool, project } = under;
  const threads = await pool.broadcast(0, { name: 'where' });
  for (let round = 0; round < 5; round++) {
    const file = project.path(`noted-${round}`);
    for await (const item of pool.stream(file, { name: 'noted' })) if (item === round * 7) break;
    await until('its finally has run', () => linesOf(file).at(-1) === 'end');
    assert.equal(await within(5000, 'the thread is free', pool.run(round)), round);
  }
  assert.deepEqual(await pool.broadcast(0, { name: 'where' }), threads, 'no thread was ended');
  assert.equal(pool.stats.pending, 0);
});

test('an error in the loop over a stream ends the generator as well, and an abort of its signal', async t => {
  const { pool, project } = await startPool(t, tasks, { abortGrace: 20_000 });
  const [first, second, third] = ['a', 'b', 'c'].map(name => project.path(name)) as [string, string, string];
  const reading = (async () => {
    for await (const _ of pool.stream(first, { name: 'noted' })) throw new RangeError('of the reader');
  })();
  assert.equal((await errorOf(reading)).message, 'of the reader');
  await until('its finally has run', () => linesOf(first).at(-1) === 'end');

  const controller = new AbortController();
  const aborted = errorOf(
    (async () => {
      for await (const item of pool.stream(second, { name: 'noted', signal: controller.signal })) {
        if (item === 20) controller.abort();
      }
    })(),
  );
  assert.equal((await aborted).name, 'AbortError');
  await until('its finally has run', () => linesOf(second).at(-1) === 'end');

  // It waits for something else than its reader.
  for await (const _ of pool.stream(third, { name: 'heeds' })) break;
  await untilBegun(third);
  assert.equal(readFileSync(third, 'utf8'), 'AbortError');
});

test('a generator that takes no notice of its abort is ended with its thread after abortGrace', async t => {
  const under = await startPool(t, tasks, { abortGrace: 100 });
  const { pool, project } = under;
  const file = project.path('deaf');
  const controller = new AbortController();
  const stream = pool.stream(file, { name: 'deaf', signal: controller.signal });
  assert.equal((await stream.next()).value, pidsOf(pool)[0]);
  const next = errorOf(stream.next());
  await untilBegun(file);
  controller.abort();
  assert.equal((await next).name, 'AbortError');
  assert.equal(await within(10_000, 'a thread is free again', pool.run(1)), 1);
  await assertFullStrength(under, 1, 1);
  assert.equal(under.pids.size, 1);
});

test('an error in mid-stream comes after the items before it, whatever the reader has seen of them by then', async t => {
  const under = await startPool(t, tasks, { processes: 1 });
  for (const { to, how, check } of [
    { to: 0, how: 'throw', check: (error: Error) => assert.ok(error instanceof RangeError) },
    { to: 40, how: 'throw', check: (error: Error) => assert.equal(error.message, 'in mid-stream') },
    { to: 40, how: 'uncloneable', check: (error: Error) => assert.equal(error.name, 'DataCloneError') },
    { to: 5, how: 'exit', check: (error: Error) => assert.ok(error instanceof ThreadExitError) },
    { to: 5, how: 'SIGKILL', check: (error: Error) => isCrash(error, 'SIGKILL') },
    { to: 5, how: 'SIGSEGV', check: (error: Error) => isCrash(error, 'SIGSEGV') },
  ]) {
    const items: unknown[] = [];
    const reading = (async () => {
      for await (const item of under.pool.stream([to, how], { name: 'breaks' })) {
        items.push(item);
        // So that all that there will be is there before the reader is.
        if (items.length === 1) await delay(50);
      }
    })();
    check(await errorOf(reading));
    const expected = Array.from({ length: to }, (_, n) => n);
    // What a process has not passed on when it dies is lost with it.
    if (how.startsWith('SIG')) assert.deepEqual(items, expected.slice(0, items.length));
    else assert.deepEqual(items, expected, how);
    await assertFullStrength(under, 1, 1);
  }
});

test('items of 1 MB come whole, and no more of them are on their way than may be', async t => {
  const { pool } = await startPool(t, tasks);
  const size = 2 ** 20;
  let at = 0;
  for await (const item of pool.stream([size, 40], { name: 'big', highWaterMark: 4 })) {
    assert.ok((item as Buffer).equals(Buffer.alloc(size, at++)));
  }
  assert.equal(at, 40);
});

test('many streams at a time on few threads each come whole', async t => {
  const { pool } = await startPool(t, tasks, { processes: 2, concurrentTasksPerWorker: 4 });
  const lists = await within(
    20_000,
    'all streams have ended',
    Promise.all(
      Array.from({ length: 40 }, () => listOf(pool.stream(100, { name: 'count', highWaterMark: 3 }))),
    ),
  );
  for (const list of lists)
    assert.deepEqual(
      list,
      Array.from({ length: 100 }, (_, n) => n),
    );
});

test('a stream that nobody reads is never begun', async t => {
  const { pool, project }: PoolUnderTest = await startPool(t, tasks);
  const stream = pool.stream(project.path('unread'), { name: 'noted' });
  await pool.run(1);
  assert.equal(pool.stats.pending, 0);
  await stream.return(undefined);
  assert.ok(!existsSync(project.path('unread')));
});

function isCrash(error: Error, signal: NodeJS.Signals): void {
  assert.ok(error instanceof WorkerCrashError, `${error.stack}`);
  assert.equal(error.signal, signal);
  assert.equal(error.task.name, 'breaks');
}
