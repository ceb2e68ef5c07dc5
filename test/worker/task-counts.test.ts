import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeBuckets } from '../../dist/channel/statistics.js';
import { TaskAbortError } from '../../dist/errors.js';
import { RpcCounts } from '../../dist/rpc/rpc-counts.js';
import { RecentTimes } from '../../dist/worker/recent-times.js';
import { TaskCounts } from '../../dist/worker/task-counts.js';
import { errorOf } from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';
import { startThreads } from './support.ts';

const tasks = `
import { setTimeout as delay } from 'node:timers/promises';
export const nap = ms => delay(ms);
export const fail = () => { throw new Error('no'); };
export const heed = (_, { signal }) => new Promise(resolve => signal.addEventListener('abort', resolve));
export const loop = () => { for (;;); };
export const exit = () => process.exit(3);
export const unclonable = () => () => {};
`;

test('each task of this.pool.run() is counted once, by what has become of it, with its run and its wait', async t => {
  const threads = await startThreads(t, tasks);
  const abort = new AbortController();
  await threads.run(30, { name: 'nap' });
  await errorOf(threads.run(undefined, { name: 'fail' }));
  await errorOf(threads.run(undefined, { name: 'unclonable' }));
  await errorOf(threads.run(() => {}, { name: 'nap' }));
  await errorOf(threads.run(undefined, { name: 'heed', timeout: 20 }));
  await errorOf(threads.run(undefined, { name: 'loop', timeout: 20 }));
  await errorOf(threads.run(undefined, { name: 'exit' }));
  const running = errorOf(threads.run(undefined, { name: 'loop', signal: abort.signal }));
  await until('it has begun', () => threads.running.length === 1);
  const waiting = errorOf(threads.run(1, { name: 'nap', signal: abort.signal }));
  abort.abort();
  for (const error of [await running, await waiting]) assert.ok(error instanceof TaskAbortError);
  await until('the thread of the one that ran is ended', () => threads.running.length === 0);
  await threads.run(0, { name: 'nap' });

  const { tasks: counts, runTime, waitTime } = threads.counts;
  assert.deepEqual(counts, { done: 2, failed: 3, 'timed-out': 2, cancelled: 2, lost: 1 });
  const begun = 8;
  assert.equal(sum(runTime.counts), begun, 'all but the one that could not be sent and the one that waited');
  assert.equal(sum(waitTime.counts), begun);
  assert.ok(runTime.sum >= 30 + 20 + 20, `ran for ${runTime.sum} ms`);
});

test('a task that waits longer than queue_timeout counts as timed out, though it never ran', async t => {
  const threads = await startThreads(t, tasks, { queueTimeout: 20 });
  const abort = new AbortController();
  const running = errorOf(threads.run(undefined, { name: 'heed', signal: abort.signal }));
  await until('it has begun', () => threads.running.length === 1);
  assert.equal((await errorOf(threads.run(0, { name: 'nap' }))).name, 'QueueTimeoutError');
  abort.abort();
  await running;
  await until('it has ended', () => threads.running.length === 0);
  const { tasks: counts, runTime, waitTime } = threads.counts;
  assert.deepEqual([counts['timed-out'], counts.cancelled, sum(runTime.counts)], [1, 1, 1]);
  assert.equal(sum(waitTime.counts), 1);
});

test('a wait is counted from when the process has the task', async t => {
  const threads = await startThreads(t, tasks);
  await Promise.all([threads.run(120, { name: 'nap' }), threads.run(0, { name: 'nap' })]);
  const { counts } = threads.counts.waitTime;
  const above = counts.slice(timeBuckets.indexOf(100) + 1);
  assert.equal(sum(above), 1, 'only the second one waited for more than 100 ms');
});

test('a histogram has its upper bounds inside, and a bucket for what is above the last', () => {
  const counts = new TaskCounts();
  for (const ms of [0, 1, 1.01, 60_000, 60_001]) counts.ended(true, undefined, ms, 0);
  const { counts: buckets, sum: total } = counts.waitTime;
  assert.deepEqual([buckets[0], buckets[1], ...buckets.slice(-2)], [2, 1, 1, 1]);
  assert.equal(sum(buckets), 5);
  assert.ok(Math.abs(total - 120_003.01) < 1e-6, `${total} ms`);
  counts.ended(true, undefined, -0.01, 0);
  assert.equal(counts.waitTime.sum, total, 'a wait of less than nothing takes nothing away');
});

test('recent percentiles are exact to a tenth, and forget what ended more than a minute ago', () => {
  const counts = new TaskCounts();
  const recent = new RecentTimes(0);
  assert.deepEqual(recent.read(counts.fine, 0), { p50: 0, p95: 0 });
  for (let i = 0; i < 90; i++) counts.ended(true, undefined, 0, 0.02);
  for (let i = 0; i < 10; i++) counts.ended(true, undefined, 0, 700);
  const { p50, p95 } = recent.read(counts.fine, 1000);
  assert.ok(Math.abs(p50 / 0.02 - 1) < 0.1, `p50 ${p50}`);
  assert.ok(Math.abs(p95 / 700 - 1) < 0.1, `p95 ${p95}`);
  for (let now = 2000; now <= 70_000; now += 1000) recent.read(counts.fine, now);
  assert.deepEqual(recent.read(counts.fine, 71_000), { p50: 0, p95: 0 });
  counts.ended(true, undefined, 0, 5);
  assert.ok(Math.abs(recent.read(counts.fine, 72_000).p95 / 5 - 1) < 0.1);
});

test('whatever codes the errors of a method have, they are counted in bounded memory', () => {
  const counts = new RpcCounts();
  for (let code = 0; code < 10_000; code++) counts.count('pay', String(code));
  assert.ok(counts.all.length <= 33, `${counts.all.length} kinds`);
  assert.equal(sum(counts.all.map(({ count }) => count)), 10_000);
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
