/** Generators on threads: their items come as records, no more of them than their reader takes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Channel, startChannel, type TaskSpec } from './batches.ts';

const generators = `
export async function* upTo(n) { for (let i = 1; i <= n; i++) yield i; }
export function* plain(n) { for (let i = 1; i <= n; i++) yield i; }
export const list = n => Array.from({ length: n }, (_, i) => i + 1);
export const later = n => Promise.resolve(upTo(n));
export const readable = n => new ReadableStream({
  start(controller) {
    for (let i = 1; i <= n; i++) controller.enqueue(i);
    controller.close();
  },
});
export const none = () => 42;
export async function* endless() {
  count(0);
  try { for (let i = 1; ; i++) { count(1); yield i; } } finally { count(2); }
}
export function* breathless() {
  try { for (let i = 1; ; i++) yield i; } finally { count(2); }
}
export async function* failing(n) { yield* upTo(n); throw new RangeError('after ' + n); }
export async function* odd() { try { yield 1; yield () => {}; } finally { count(2); } }
export async function* dying() { yield 1; yield Buffer.alloc(100_000); process.exit(5); }
export async function* sized(sizes) { for (const size of sizes) yield Buffer.alloc(size, 7); }
export async function* stuck() { yield 1; await new Promise(() => {}); }
`;

function start(channel: Channel, name: string, payload: unknown, rest: Partial<TaskSpec> = {}): number {
  const [id] = channel.submit({ name, payload, kind: 'stream', window: 1000, ...rest }) as [number];
  return id;
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

for (const name of ['upTo', 'plain', 'list', 'later', 'readable']) {
  test(`the items of ${name}() come in their order, and then its end`, async t => {
    const channel = await startChannel(t, generators);
    const id = start(channel, name, 100);
    const { status, value } = await channel.final(id);
    assert.deepEqual([status, value], ['done', undefined]);
    assert.deepEqual(channel.items(id), upTo(100));
    assert.equal(channel.outcomes.at(-1)?.id, id);
  });
}

test('no more items come than the reader takes, and all of them when it does', async t => {
  const channel = await startChannel(t, generators);
  const id = start(channel, 'endless', 0, { window: 4 });
  await channel.untilItems(id, 4);
  // It has yielded one more, and waits with that.
  await channel.untilBegun(0);
  for (let taken = 4; taken < 40; taken += 3) {
    channel.threads.credit(id, 3);
    await channel.untilItems(id, taken + 3);
    assert.ok(channel.begun(1) <= taken + 4, `${channel.begun(1)} yielded, ${taken + 3} taken`);
  }
  assert.deepEqual(channel.items(id), upTo(40));
  channel.threads.cancel(id);
  await channel.final(id);
});

test('a stream that is cancelled while it waits for its reader ends its generator, and its thread goes on', async t => {
  const channel = await startChannel(t, generators, { abortGrace: 10_000 });
  const before = (await channel.run('where')).value;
  const id = start(channel, 'endless', 0, { window: 2 });
  await channel.untilItems(id, 2);
  channel.threads.cancel(id);
  await channel.final(id);
  assert.equal(channel.begun(2), 1);
  assert.deepEqual(channel.items(id), [1, 2]);
  assert.equal((await channel.run('where')).value, before);
});

test('a stream that never lets its event loop turn is cancelled as well, and its generator ends', async t => {
  const channel = await startChannel(t, generators, { abortGrace: 10_000 });
  const id = start(channel, 'breathless', 0, { window: 1e9 });
  await channel.untilItems(id, 10);
  channel.threads.cancel(id);
  await channel.final(id);
  assert.equal(channel.begun(2), 1);
  const items = channel.items(id);
  assert.deepEqual(items, upTo(items.length));
});

test('a stream whose generator does not return is ended with its thread', async t => {
  const channel = await startChannel(t, generators, { abortGrace: 20 });
  const id = start(channel, 'stuck', 0);
  await channel.untilItems(id, 1);
  channel.threads.cancel(id);
  assert.equal((await channel.final(id)).status, 'ended');
  assert.equal((await channel.run('default', 'next')).value, 'next');
});

test('the time of a stream is counted while its reader keeps it waiting, too', async t => {
  const channel = await startChannel(t, generators, { abortGrace: 10_000 });
  const id = start(channel, 'endless', 0, { window: 1, timeout: 50 });
  await channel.final(id);
  assert.deepEqual(
    channel.of(id).map(({ status }) => status),
    ['item', 'timedOut', 'done'],
  );
  assert.equal(channel.begun(2), 1);
});

test('what a generator throws comes after its items', async t => {
  const channel = await startChannel(t, generators);
  const id = start(channel, 'failing', 50);
  const { status, value } = await channel.final(id);
  assert.equal(status, 'thrown');
  assert.ok(value instanceof RangeError && value.message === 'after 50', String(value));
  assert.deepEqual(channel.items(id), upTo(50));
});

test('an item that cannot be cloned ends its stream with that error, and its generator', async t => {
  const channel = await startChannel(t, generators);
  const id = start(channel, 'odd', 0);
  const { status, value } = await channel.final(id);
  assert.equal(status, 'thrown');
  assert.equal((value as Error).name, 'DataCloneError');
  assert.deepEqual(channel.items(id), [1]);
  assert.equal(channel.begun(2), 1);
});

test('items that were yielded before the thread ended have come', async t => {
  const channel = await startChannel(t, generators);
  const id = start(channel, 'dying', 0);
  assert.equal((await channel.final(id)).status, 'threadLost');
  assert.deepEqual(
    channel.items(id).map(item => (item as Buffer).length),
    [undefined, 100_000],
  );
});

test('items of any size come in their order', async t => {
  const channel = await startChannel(t, generators);
  const sizes = Array.from({ length: 100 }, (_, n) => (n * 7919) % 50_000);
  const id = start(channel, 'sized', sizes);
  await channel.final(id);
  assert.deepEqual(
    channel.items(id).map(item => (item as Buffer).length),
    sizes,
  );
});

test('what is no generator cannot be streamed, and says so', async t => {
  const channel = await startChannel(t, generators);
  const { status, value } = await channel.final(start(channel, 'none', 0));
  assert.equal(status, 'thrown');
  assert.match(String(value), /^TypeError: task none is no generator: call it with run\(\)$/);
});

for (const name of ['upTo', 'plain']) {
  test(`the generator ${name}() cannot be run as a whole, and says so`, async t => {
    const channel = await startChannel(t, generators);
    const { status, value } = await channel.run(name, 3);
    assert.equal(status, 'thrown');
    assert.match(String(value), /^TypeError: the task is a generator: call it with stream\(\)$/);
  });
}

test('streams and other tasks of one batch leave each other alone', async t => {
  const channel = await startChannel(t, generators, { threads: 2 });
  const specs = Array.from(
    { length: 40 },
    (_, n): TaskSpec => (n % 2 ? { payload: n } : { name: 'upTo', payload: n, kind: 'stream', window: 1000 }),
  );
  const ids = channel.submit(...specs);
  const outcomes = await channel.all(ids);
  for (const [n, { id, status, value }] of outcomes.entries()) {
    assert.equal(status, 'done');
    if (n % 2) assert.equal(value, n);
    else assert.deepEqual(channel.items(id), upTo(n));
  }
});
