/** What a task gets as its second argument, and how it hears that it is to end. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Channel, startChannel } from './batches.ts';

/** Starts a task that counts its begin, and waits for that. */
async function begin(channel: Channel, name: string, n: number, timeout = 0): Promise<number> {
  const [id] = channel.submit({ name, payload: n, timeout }) as [number];
  await channel.untilBegun(n);
  return id;
}

test('a task is told its name, its attempt and its thread', async t => {
  const channel = await startChannel(t);
  assert.deepEqual((await channel.run('context')).value, { name: 'context', attempt: 1, isHere: true });
  const again = await channel.run('context', undefined, { attempt: 3 });
  assert.deepEqual(again.value, { name: 'context', attempt: 3, isHere: true });
});

test('a task that awaits hears that it was cancelled, and keeps its thread by ending', async t => {
  const channel = await startChannel(t, '', { abortGrace: 10_000 });
  const before = (await channel.run('where')).value;
  const id = await begin(channel, 'heed', 0);
  channel.threads.cancel(id);
  const { status, value } = await channel.final(id);
  assert.equal(status, 'done');
  assert.deepEqual(value, { threadId: before, name: 'AbortError', message: 'the task was cancelled' });
  assert.equal((await channel.run('where')).value, before);
});

test('a task that never awaits sees that it was cancelled where it looks, and keeps its thread', async t => {
  const channel = await startChannel(t, '', { abortGrace: 10_000 });
  const before = (await channel.run('where')).value;
  const id = await begin(channel, 'poll', 0);
  channel.threads.cancel(id);
  assert.deepEqual((await channel.final(id)).value, { threadId: before, name: 'AbortError' });
  assert.equal((await channel.run('where')).value, before);
});

test('a task that is over its time hears that, whether it awaits or not', async t => {
  const channel = await startChannel(t, '', { abortGrace: 10_000 });
  const before = (await channel.run('where')).value;
  const heeds = await begin(channel, 'heed', 0, 30);
  const { value } = await channel.final(heeds);
  assert.deepEqual(value, { threadId: before, name: 'TimeoutError', message: 'the task was timed out' });
  assert.deepEqual(
    channel.of(heeds).map(({ status }) => status),
    ['timedOut', 'done'],
  );
  const polls = await begin(channel, 'poll', 1, 30);
  await channel.final(polls);
  assert.deepEqual(
    channel.of(polls).map(({ status }) => status),
    ['timedOut', 'done'],
  );
  assert.equal((await channel.run('where')).value, before);
});

test('a task that never awaits sees why it is to end', async t => {
  const channel = await startChannel(t, '', { abortGrace: 10_000 });
  const id = await begin(channel, 'poll', 0, 30);
  assert.equal(((await channel.final(id)).value as { name: string }).name, 'TimeoutError');
});

test('a task that does not end within abort_grace loses its thread', async t => {
  const channel = await startChannel(t, '', { abortGrace: 20 });
  for (const [n, name] of ['ignore', 'spin', 'block'].entries()) {
    const before = (await channel.run('where')).value;
    const id = await begin(channel, name, n);
    channel.threads.cancel(id);
    assert.equal((await channel.final(id)).status, 'ended', name);
    assert.notEqual((await channel.run('where')).value, before, name);
  }
});

test('the abort of one task does not reach the next one on its thread', async t => {
  const channel = await startChannel(
    t,
    'export const calm = (_, { signal }) => new Promise(resolve => setTimeout(() => resolve(signal.aborted), 5));',
    { abortGrace: 10_000 },
  );
  for (let n = 0; n < 20; n++) {
    const id = await begin(channel, n % 2 ? 'heed' : 'poll', n);
    const [next] = channel.submit({ name: 'calm' }) as [number];
    channel.threads.cancel(id);
    assert.equal((await channel.final(id)).status, 'done');
    assert.equal((await channel.final(next)).value, false);
  }
});

test('a task that asks for its signal after it was cancelled gets one that is aborted', async t => {
  const channel = await startChannel(
    t,
    `export const late = async (n, context) => {
       await wait(n);
       return { aborted: context.signal.aborted, reason: context.signal.reason?.name };
     };`,
    { abortGrace: 10_000 },
  );
  const id = await begin(channel, 'late', 0);
  channel.threads.cancel(id);
  channel.release(0);
  assert.deepEqual((await channel.final(id)).value, { aborted: true, reason: 'AbortError' });
});

test('the time of a task is counted from its begin, not from its submission', async t => {
  const channel = await startChannel(t, '', { threads: 1 });
  const long = await begin(channel, 'block', 0);
  const started = performance.now();
  const [waits] = channel.submit({ name: 'busy', payload: 1, timeout: 2000 }) as [number];
  while (performance.now() - started < 200) await new Promise(setImmediate);
  channel.release(0);
  await channel.final(long);
  assert.equal((await channel.final(waits)).status, 'done');
  assert.equal(channel.of(waits).length, 1);
});
