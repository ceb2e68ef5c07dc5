/** Calls from within a worker process that are given up before a thread has begun them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from '../helpers/pool.ts';
import { startChannel } from './batches.ts';

test('a call that is aborted before its busy thread has begun it never runs, and no other is harmed', async t => {
  const channel = await startChannel(t, '', { concurrentTasksPerWorker: 2 });
  channel.submit({ name: 'block', payload: 0 });
  await channel.untilBegun(0);
  const controller = new AbortController();
  const aborted = channel.threads.run(1, { name: 'counted', signal: controller.signal });
  const other = channel.threads.run('other');
  controller.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  channel.release(0);
  assert.equal(await within(10_000, 'the other call has ended', other), 'other');
  assert.equal(await within(10_000, 'the next call has ended', channel.threads.run('next')), 'next');
  assert.equal(channel.begun(1), 0);
});

test('a call whose time to wait is over before its busy thread has begun it never runs', async t => {
  const channel = await startChannel(t, '', { concurrentTasksPerWorker: 2, queueTimeout: 50 });
  channel.submit({ name: 'block', payload: 0 });
  await channel.untilBegun(0);
  await assert.rejects(channel.threads.run(1, { name: 'counted' }), { code: 'PH_ERR_QUEUE_TIMEOUT' });
  channel.release(0);
  assert.equal(await within(10_000, 'the next call has ended', channel.threads.run('next')), 'next');
  assert.equal(channel.begun(1), 0);
});

test('a call that is aborted while its thread is still being started never runs', async t => {
  const channel = await startChannel(t);
  assert.equal((await channel.run('exit', 1)).status, 'threadLost');
  const controller = new AbortController();
  const aborted = channel.threads.run(1, { name: 'counted', signal: controller.signal });
  controller.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  assert.equal(await within(10_000, 'the next call has ended', channel.threads.run('next')), 'next');
  assert.equal(channel.begun(1), 0);
});

test('a result that is nested deeper than this thread can read settles its call', async t => {
  const channel = await startChannel(
    t,
    `export const nested = depth => { let list = []; for (let n = 0; n < depth; n++) list = [list]; return list; };`,
  );
  // Threads have a larger stack than the main thread.
  for (const depth of [1000, 3000, 5000]) {
    await within(
      10_000,
      `the call of depth ${depth} settles`,
      Promise.allSettled([channel.threads.run(depth, { name: 'nested' })]),
    );
  }
  assert.equal(await channel.threads.run('next'), 'next');
});
