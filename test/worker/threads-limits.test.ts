import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueTimeoutError, TaskTimeoutError } from '../../dist/errors.js';
import { until } from '../helpers/processes.ts';
import { startThreads } from './support.ts';

const source = `
import { threadId } from 'node:worker_threads';
export const nap = ms => new Promise(resolve => setTimeout(resolve, ms, threadId));
export const loop = () => { for (const end = performance.now() + 20_000; performance.now() < end; ); };
export default value => value;
`;

test('S42 a task in an endless loop is ended by task_timeout, and its thread with it', async t => {
  const threads = await startThreads(t, source, { taskTimeout: 150 });
  await assert.rejects(threads.run(0, { name: 'loop' }), (error: unknown) => {
    assert.ok(error instanceof TaskTimeoutError);
    assert.equal(error.code, 'PH_ERR_TASK_TIMEOUT');
    assert.equal(error.message, 'task loop ran longer than 150 ms');
    return true;
  });
  assert.equal(await threads.run('next'), 'next');
});

test('S44 a task that is ended by task_timeout never touches the one on another thread', async t => {
  const threads = await startThreads(t, source, { threads: 2 });
  const nap = threads.run<number>(600, { name: 'nap' });
  await until('the nap has begun', () => threads.running.length === 1);
  const [{ threadId } = { threadId: 0 }] = threads.running;
  await assert.rejects(threads.run(0, { name: 'loop', timeout: 100 }), TaskTimeoutError);
  assert.ok(
    threads.running.some(task => task.name === 'nap'),
    'the nap goes on',
  );
  assert.equal(await nap, threadId);
});

test('run() may set a timeout of its own; 0 means none', async t => {
  const threads = await startThreads(t, source, { taskTimeout: 50 });
  await threads.run(150, { name: 'nap', timeout: 0 });
  await assert.rejects(threads.run(5000, { name: 'nap', timeout: 80 }), /longer than 80 ms/);
});

test('task_timeout does not count the wait for a thread', async t => {
  const threads = await startThreads(t, source, { taskTimeout: 400 });
  await Promise.all([1, 2, 3].map(() => threads.run(250, { name: 'nap' })));
});

test('queue_timeout takes a waiting task out, and only that', async t => {
  const threads = await startThreads(t, source, { queueTimeout: 100 });
  const first = threads.run(400, { name: 'nap' });
  await until('the nap has begun', () => threads.running.length === 1);
  await assert.rejects(threads.run('late'), (error: unknown) => {
    assert.ok(error instanceof QueueTimeoutError);
    assert.equal(error.code, 'PH_ERR_QUEUE_TIMEOUT');
    assert.equal(error.message, 'task default waited longer than 100 ms for a thread');
    return true;
  });
  assert.equal(threads.queued, 0);
  await first;
  assert.equal(await threads.run('in time'), 'in time');
});

test('S44 aborting a waiting task takes it out of the queue and touches no other', async t => {
  const threads = await startThreads(t, source);
  const controller = new AbortController();
  const running = threads.run<number>(200, { name: 'nap' });
  const aborted = threads.run('never', { signal: controller.signal });
  const waiting = threads.run('after');
  await until('the nap has begun', () => threads.running.length === 1);
  const [{ threadId } = { threadId: 0 }] = threads.running;
  controller.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  assert.equal(await running, threadId);
  assert.equal(await waiting, 'after');
});

test('S42 aborting a running task ends its thread, in an endless loop as well', async t => {
  const threads = await startThreads(t, source);
  const controller = new AbortController();
  const looping = threads.run(0, { name: 'loop', signal: controller.signal });
  await until('the loop has begun', () => threads.running.length === 1);
  controller.abort(new Error('no longer needed'));
  await assert.rejects(looping, (error: Error) => {
    assert.equal(error.name, 'AbortError');
    assert.equal((error.cause as Error).message, 'no longer needed');
    return true;
  });
  assert.equal(await threads.run('next'), 'next');
});

test('a signal that is aborted already starts nothing', async t => {
  const threads = await startThreads(t, source);
  await assert.rejects(threads.run(0, { name: 'loop', signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.equal(threads.running.length, 0);
});

test('a job that is given up just after its end keeps its result; one that runs is ended', async t => {
  const threads = await startThreads(t, source);
  const start = (data: unknown, name: string) =>
    threads.runJob(data, { id: '1', name, attempt: 1, onNews: () => {} });
  const done = start(7, 'default');
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  // Seen in the shared memory: this thread has heard nothing yet.
  while (threads.counts.tasks.done === 0);
  done.abort(new Error('given up'));
  assert.equal(await done.result, 7);
  const runs = start(20_000, 'nap');
  await until('it runs', () => threads.running.length === 1);
  runs.abort(new Error('given up'));
  await assert.rejects(runs.result, { message: 'given up' });
});

test('a signal that many tasks share keeps no listener of theirs', async t => {
  const threads = await startThreads(t, source);
  const { signal } = new AbortController();
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.removeListener('warning', onWarning));
  for (let n = 0; n < 30; n++) await threads.run(n, { signal });
  await new Promise(setImmediate);
  assert.deepEqual(warnings, []);
});

test('a thread that cannot be replaced is told: the pool would wait for it for ever', async t => {
  let tell: (error: unknown) => void = () => {};
  const broken = new Promise(resolve => {
    tell = resolve;
  });
  const code = `
    import { existsSync, writeFileSync } from 'node:fs';
    const mark = new URL('./loaded-once', import.meta.url);
    if (existsSync(mark)) process.exit(3);
    writeFileSync(mark, '');
    export const end = () => process.exit(1);
  `;
  const threads = await startThreads(t, code, {}, () => {}, tell);
  await assert.rejects(threads.run(undefined, { name: 'end' }), { code: 'PH_ERR_THREAD_EXIT' });
  assert.match(String(await broken), /a thread ended while it loaded the task module: it exited/);
});
