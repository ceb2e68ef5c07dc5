/** Tasks that run once on every thread. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from '../helpers/pool.ts';
import { type Channel, startChannel, type TaskSpec } from './batches.ts';

const tasks = `
export const hello = payload => ({ threadId, payload });
export const boom = () => { throw new RangeError('boom ' + threadId); };
export const half = async () => {
  if (count(0) === 0) return 'fine';
  throw new RangeError('the second');
};
export const hang = () => { if (count(0) === 0) for (;;); return 'fine'; };
export const leave = () => { if (count(0) === 0) process.exit(4); return 'fine'; };
export const never = n => { count(n); return new Promise(() => {}); };
export const signalled = async (n, { signal }) => { count(n); await aborted(signal); return signal.reason.name; };
export const shared = () => new SharedArrayBuffer(8);
export const strange = () => { throw Object.assign(new RangeError('mine'), { memory: new SharedArrayBuffer(8) }); };
export const odd = () => () => {};
`;

function start(channel: Channel, name: string, payload?: unknown, rest: Partial<TaskSpec> = {}): number {
  const [id] = channel.submit({ name, payload, kind: 'broadcast', ...rest }) as [number];
  return id;
}

test('a broadcast runs once on each thread', async t => {
  const channel = await startChannel(t, tasks, { threads: 3 });
  const { status, value } = await channel.final(start(channel, 'hello', { a: new Map([[1, 2n]]) }));
  assert.equal(status, 'done');
  const results = value as { threadId: number; payload: unknown }[];
  assert.equal(new Set(results.map(({ threadId }) => threadId)).size, 3);
  for (const { payload } of results) assert.deepEqual(payload, { a: new Map([[1, 2n]]) });
  assert.equal(channel.ended, 1);
});

test('a broadcast that fails on one thread fails with what that threw, once all have answered', async t => {
  const channel = await startChannel(t, tasks, { threads: 3 });
  const { status, value } = await channel.final(start(channel, 'half'));
  assert.equal(status, 'thrown');
  assert.ok(value instanceof RangeError && value.message === 'the second', String(value));
  assert.equal(channel.begun(0), 3);
  assert.equal((await channel.final(start(channel, 'boom'))).status, 'thrown');
});

test('a broadcast of a name that there is not, or of what cannot be sent, fails', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  for (const name of ['nothing', 'odd']) {
    const { status } = await channel.final(start(channel, name));
    assert.ok(status === 'thrown' || status === 'unknown', `${name}: ${status}`);
  }
  assert.equal((await channel.final(start(channel, 'hello'))).status, 'done');
});

test('a broadcast of a name that there is not says which there are', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  const { status, value } = await channel.final(start(channel, 'nothing'));
  const told = status === 'unknown' ? (value as string[]).join() : String(value);
  assert.match(told, /hello/);
});

test('a broadcast waits for a thread that is busy', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  channel.submit({ name: 'block', payload: 0 });
  await channel.untilBegun(0);
  const id = start(channel, 'hello');
  assert.equal((await channel.run('default', 1)).value, 1);
  assert.deepEqual(channel.of(id), []);
  channel.release(0);
  assert.equal(((await channel.final(id)).value as unknown[]).length, 2);
});

test('a broadcast that is over its time ends the threads where it runs, and only those', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  const before = await threadsOf(channel);
  const id = start(channel, 'hang', 0, { timeout: 100 });
  await channel.final(id);
  assert.deepEqual(
    channel.of(id).map(({ status, value }) => [status, value]),
    [
      ['timedOut', 100],
      ['ended', undefined],
    ],
  );
  const left = await untilTwo(channel);
  assert.equal(left.filter(id => before.includes(id)).length, 1);
});

test('a broadcast that is over its time does not end a task that keeps it waiting', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  const [long] = channel.submit({ name: 'block', payload: 0 }) as [number];
  await channel.untilBegun(0);
  const id = start(channel, 'hello', 0, { timeout: 50 });
  const started = performance.now();
  while (channel.finals(id).length === 0 && performance.now() - started < 500)
    await new Promise(setImmediate);
  channel.release(0);
  assert.equal((await channel.final(long)).status, 'done');
  await channel.final(id);
});

test('a thread that ends during a broadcast fails it, and is replaced', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  const { status, value } = await channel.final(start(channel, 'leave'));
  assert.equal(status, 'threadLost');
  assert.match(String(value), /^it exited/);
  await untilTwo(channel);
});

test('a broadcast while the only thread is being replaced is answered', async t => {
  const channel = await startChannel(t, tasks);
  assert.equal((await channel.run('exit', 1)).status, 'threadLost');
  const id = start(channel, 'hello');
  const { status, value } = await channel.final(id);
  if (status === 'done') assert.equal((value as unknown[]).length, 1);
  else assert.equal(status, 'thrown');
});

test('a broadcast where no thread has been started is answered', async t => {
  const channel = await startChannel(t, tasks, { minThreads: 0 });
  await channel.final(start(channel, 'hello'));
  assert.equal((await channel.run('default', 1)).value, 1);
});

test('a cancelled broadcast is over for its sender', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  const id = start(channel, 'never', 0);
  await channel.untilBegun(0);
  channel.threads.cancel(id);
  assert.equal((await channel.final(id)).status, 'ended');
  assert.equal(channel.ended, 1);
  channel.threads.cancel(id);
  assert.equal((await channel.run('default', 1)).value, 1);
  assert.equal(channel.of(id).length, 1);
});

test('a task of a cancelled broadcast hears that nobody waits for it', async t => {
  const channel = await startChannel(
    t,
    `export const heard = async (n, { signal }) => { count(n); await aborted(signal); count(n + 1); };`,
  );
  const id = start(channel, 'heard', 0);
  await channel.untilBegun(0);
  channel.threads.cancel(id);
  await channel.untilBegun(1);
});

test('a task of a broadcast that is over its time hears why, and keeps its thread by ending', async t => {
  const channel = await startChannel(
    t,
    `export const why = async (n, { signal }) => {
       count(n);
       await aborted(signal);
       count(signal.reason.name === 'TimeoutError' ? n + 1 : n + 2);
     };`,
    { abortGrace: 10_000 },
  );
  const before = await threadsOf(channel);
  const id = start(channel, 'why', 0, { timeout: 50 });
  await channel.final(id);
  assert.deepEqual(
    channel.of(id).map(({ status }) => status),
    ['timedOut', 'ended'],
  );
  assert.deepEqual([channel.begun(1), channel.begun(2)], [1, 0]);
  assert.deepEqual(await threadsOf(channel), before);
});

test('results of a broadcast that only threads of one process can share fail it, and nothing else', async t => {
  const channel = await startChannel(t, tasks, { threads: 2 });
  for (const name of ['shared', 'strange']) {
    assert.equal((await channel.final(start(channel, name))).status, 'thrown', name);
  }
  assert.equal((await channel.run('default', 1)).value, 1);
});

test('a broadcast does not fail because a thread beyond min_threads has nothing else to do and ends', async t => {
  const channel = await startChannel(
    t,
    'export const warmUp = async n => { count(n); await delay(400); return threadId; };',
    { threads: 2, minThreads: 1, idleTimeout: 100 },
  );
  const blocks = channel.submit({ name: 'block', payload: 0 }, { name: 'block', payload: 1 });
  await channel.untilBegun(0, 1);
  const id = start(channel, 'warmUp', 2);
  for (const n of [0, 1]) channel.release(n);
  await channel.all(blocks);
  const { status, value } = await channel.final(id);
  assert.equal(status, 'done', String(value));
});

test('closing waits for a broadcast', async t => {
  const channel = await startChannel(
    t,
    `export const slow = async n => { count(n); await wait(n + 1); return n; };`,
  );
  const id = start(channel, 'slow', 0);
  await channel.untilBegun(0);
  const closed = channel.threads.close();
  channel.release(1);
  await within(10_000, 'the threads are closed', closed);
  assert.deepEqual((await channel.final(id)).value, [0]);
});

async function threadsOf(channel: Channel): Promise<number[]> {
  const { value } = await channel.final(start(channel, 'where'));
  return value as number[];
}

/** A new thread takes its time. */
async function untilTwo(channel: Channel): Promise<number[]> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const found = await threadsOf(channel);
    if (found.length === 2) return found;
    if (performance.now() > deadline)
      assert.fail(`waited in vain for two threads, there are ${found.length}`);
    await new Promise(setImmediate);
  }
}
