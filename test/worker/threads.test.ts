import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NoThreadsError, QueueFullError, ThreadExitError, UnknownTaskError } from '../../dist/errors.js';
import { until } from '../helpers/processes.ts';
import { startThreads } from './support.ts';

test('run() calls the function of that name, on a thread that the task can see', async t => {
  const threads = await startThreads(
    t,
    `import { threadId, isMainThread } from 'node:worker_threads';
     export const double = n => n * 2;
     export default (payload, context) => ({ payload, same: context.threadId === threadId, isMainThread });`,
  );
  assert.equal(await threads.run(21, { name: 'double' }), 42);
  assert.deepEqual(await threads.run('x'), { payload: 'x', same: true, isMainThread: false });
});

test('payload and result are structured clones', async t => {
  const threads = await startThreads(t, 'export default value => value;');
  const value = {
    map: new Map([[1, new Date(0)]]),
    set: new Set(['a']),
    big: 10n ** 20n,
    bytes: new Uint8Array(3),
  };
  assert.deepEqual(await threads.run(value), value);
  assert.equal(await threads.run(), undefined);
});

test('an unknown task is refused with the names of those that there are', async t => {
  const threads = await startThreads(t, 'export const one = () => 1; export const two = () => 2;');
  await assert.rejects(threads.run(0, { name: 'three' }), (error: unknown) => {
    assert.ok(error instanceof UnknownTaskError);
    assert.equal(error.code, 'PH_ERR_UNKNOWN_TASK');
    assert.match(error.message, /"three"; there are: one, two$/);
    return true;
  });
});

test("a task's error arrives as what it was, with the stack of the thread above the caller's", async t => {
  const threads = await startThreads(
    t,
    `class PaymentError extends TypeError {}
     export function pay() {
       throw Object.assign(new PaymentError('declined', { cause: new RangeError('too much') }), { code: 'E_PAY' });
     }`,
  );
  async function caller() {
    await threads.run(0, { name: 'pay' });
  }
  await assert.rejects(caller(), (error: Error & { code?: string }) => {
    assert.ok(error instanceof TypeError);
    assert.equal(error.name, 'PaymentError');
    assert.equal(error.message, 'declined');
    assert.equal(error.code, 'E_PAY');
    assert.ok(error.cause instanceof RangeError);
    assert.match(
      error.stack ?? '',
      /^PaymentError: declined\n\s+at .*pay.*task\.mjs:3:[\s\S]*at async caller/,
    );
    return true;
  });
});

test('S40 what cannot be cloned rejects its own task, and the pool goes on', async t => {
  const threads = await startThreads(
    t,
    'export default value => value; export const broken = () => () => {}; export const fail = () => { throw () => {}; };',
  );
  const notCloneable = { name: 'DataCloneError', message: /could not be cloned/ };
  await assert.rejects(
    threads.run(() => {}),
    notCloneable,
    'the payload',
  );
  await assert.rejects(threads.run(0, { name: 'broken' }), notCloneable, 'the result');
  await assert.rejects(threads.run(0, { name: 'fail' }), (thrown: unknown) =>
    /Function/.test(String(thrown)),
  );
  assert.equal(await threads.run(1), 1);
});

test('S40 process.exit() in a task ends its thread only, and another one takes its place', async t => {
  const threads = await startThreads(
    t,
    'export default code => code === undefined ? "fine" : process.exit(code);',
  );
  for (const code of [0, 3]) {
    await assert.rejects(threads.run(code), (error: unknown) => {
      assert.ok(error instanceof ThreadExitError);
      assert.equal(error.message, `the thread that ran task default ended: it exited with code ${code}`);
      return true;
    });
  }
  assert.equal(await threads.run(), 'fine');
});

test('S40 a task that fails outside of its own call ends its thread, and its error reaches the caller', async t => {
  const threads = await startThreads(
    t,
    `export default wait => wait && new Promise(() => setTimeout(() => { throw new RangeError('later'); }, 1));`,
  );
  await assert.rejects(threads.run(true), { name: 'RangeError', message: 'later' });
  assert.equal(await threads.run(false), false);
});

test('S40 a task beyond max_thread_memory ends its thread, and says so', async t => {
  const threads = await startThreads(
    t,
    'export default hog => { let list; while (hog) list = { list }; return "fine"; };',
    { maxThreadMemory: 32 * 2 ** 20 },
  );
  await assert.rejects(threads.run(true), (error: unknown) => {
    assert.ok(error instanceof ThreadExitError);
    assert.match(error.message, /out of memory \(max_thread_memory, /);
    return true;
  });
  assert.equal(await threads.run(false), 'fine');
});

test('max_queue tasks may wait; one more is refused', async t => {
  const threads = await startThreads(
    t,
    'export default ms => new Promise(resolve => setTimeout(resolve, ms, ms));',
    { maxQueue: 2 },
  );
  const running = threads.run(100);
  await until('the task has begun', () => threads.running.length === 1);
  const waiting = [threads.run(1), threads.run(2)];
  assert.equal(threads.queued, 2);
  await assert.rejects(threads.run(3), (error: unknown) => {
    assert.ok(error instanceof QueueFullError);
    assert.match(error.message, /^2 tasks wait already \(max_queue\)$/);
    return true;
  });
  assert.deepEqual(await Promise.all([running, ...waiting]), [100, 1, 2]);
});

test('running tells the tasks that have begun: name, thread, age', async t => {
  const threads = await startThreads(
    t,
    'export const nap = ms => new Promise(resolve => setTimeout(resolve, ms));',
    { threads: 2 },
  );
  const naps = [
    threads.run(150, { name: 'nap' }),
    threads.run(150, { name: 'nap' }),
    threads.run(1, { name: 'nap' }),
  ];
  await until('two have begun', () => threads.running.length === 2);
  const [one, two] = threads.running;
  assert.equal(one?.name, 'nap');
  assert.notEqual(one?.threadId, two?.threadId);
  assert.ok((one?.age ?? -1) >= 0);
  await Promise.all(naps);
  assert.deepEqual(threads.running, []);
});

test('close() lets finish what has begun and what waits', async t => {
  const threads = await startThreads(
    t,
    'export default ms => new Promise(resolve => setTimeout(resolve, ms, ms));',
    { threads: 2 },
  );
  const tasks = [20, 300, 40, 60].map(ms => threads.run(ms));
  await threads.close();
  assert.deepEqual(await Promise.all(tasks), [20, 300, 40, 60]);
});

test('threads = 0: there is no pool, and run() says so', async t => {
  const threads = await startThreads(t, 'export default () => 1;', { threads: 0 });
  await assert.rejects(threads.run(), (error: unknown) => error instanceof NoThreadsError);
  assert.equal(threads.queued, 0);
});

test('a module that a thread cannot load rejects `loaded` with the error of its author', async t => {
  const source = `import { isMainThread } from 'node:worker_threads';\nif (!isMainThread) throw new TypeError('not here');\nexport default () => 1;`;
  await assert.rejects(startThreads(t, source), { name: 'ThreadLoadError', message: 'TypeError: not here' });
});

test('a thread that ends while it loads the module rejects `loaded` as well', async t => {
  const source = `import { isMainThread } from 'node:worker_threads';\nif (!isMainThread) process.exit(3);\nexport default () => 1;`;
  await assert.rejects(startThreads(t, source), {
    name: 'ThreadLoadError',
    message: 'a thread ended while it loaded the task module: it exited',
  });
});
