/** Several tasks on one thread at a time, and threads that come and go. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../helpers/processes.ts';
import { type Channel, startChannel } from './batches.ts';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

async function threadsOf(channel: Channel): Promise<number[]> {
  const [id] = channel.submit({ name: 'where', kind: 'broadcast' }) as [number];
  return (await channel.final(id)).value as number[];
}

test('concurrent_tasks_per_worker tasks that wait run on one thread at a time', async t => {
  const channel = await startChannel(t, '', { concurrentTasksPerWorker: 4 });
  const ids = channel.submit(...upTo(8).map(payload => ({ name: 'wait', payload })));
  await until('four have begun', () => channel.threads.running.length === 4);
  assert.equal(upTo(8).filter(n => channel.begun(n) > 0).length, 4);
  for (const n of upTo(8)) channel.release(n);
  const outcomes = await channel.all(ids);
  assert.equal(new Set(outcomes.map(({ value }) => value)).size, 1);
});

test('of tasks on one thread, the one that is cancelled and heeds leaves the others alone', async t => {
  const channel = await startChannel(t, '', { concurrentTasksPerWorker: 3, abortGrace: 10_000 });
  const [heeds, ...others] = channel.submit(
    { name: 'heed', payload: 0 },
    { name: 'wait', payload: 1 },
    { name: 'wait', payload: 2 },
  ) as [number, number, number];
  await channel.untilBegun(0, 1, 2);
  channel.threads.cancel(heeds);
  assert.equal((await channel.final(heeds)).status, 'done');
  channel.release(1);
  channel.release(2);
  for (const { status } of await channel.all(others)) assert.equal(status, 'done');
});

test('of tasks on one thread, the one that has to be killed is told from those that it takes with it', async t => {
  const channel = await startChannel(t, '', { concurrentTasksPerWorker: 3, abortGrace: 20 });
  const [killed, ...others] = channel.submit(
    { name: 'ignore', payload: 0 },
    { name: 'wait', payload: 1 },
    { name: 'wait', payload: 2 },
  ) as [number, number, number];
  await channel.untilBegun(0, 1, 2);
  channel.threads.cancel(killed);
  assert.equal((await channel.final(killed)).status, 'ended');
  for (const { status } of await channel.all(others)) assert.equal(status, 'threadLost');
  assert.equal((await channel.run('default', 1)).value, 1);
});

test('thousands of tasks that wait, many on each thread, run once each', async t => {
  const channel = await startChannel(
    t,
    `export const nap = async n => { count(n); await delay(n % 3); return n; };`,
    { threads: 2, concurrentTasksPerWorker: 50 },
  );
  const ids = upTo(2000).flatMap(payload =>
    channel.submit({ name: payload % 5 ? 'nap' : 'counted', payload }),
  );
  const outcomes = await channel.all(ids);
  assert.deepEqual(
    outcomes.map(({ value }) => value),
    upTo(2000),
  );
  for (const n of upTo(2000)) if (channel.begun(n) !== 1) assert.equal(channel.begun(n), 1, `task ${n}`);
});

test('several streams on one thread get the credit of their own readers', async t => {
  const channel = await startChannel(
    t,
    `export async function* numbers(from) { for (let n = from; ; n++) yield n; }`,
    { concurrentTasksPerWorker: 2 },
  );
  const [a, b] = channel.submit(
    { name: 'numbers', payload: 0, kind: 'stream', window: 2 },
    { name: 'numbers', payload: 100, kind: 'stream', window: 2 },
  ) as [number, number];
  await Promise.all([channel.untilItems(a, 2), channel.untilItems(b, 2)]);
  channel.threads.credit(b, 3);
  await channel.untilItems(b, 5);
  assert.deepEqual(channel.items(b), [100, 101, 102, 103, 104]);
  assert.deepEqual(channel.items(a), [0, 1]);
  for (const id of [a, b]) channel.threads.cancel(id);
  await channel.all([a, b]);
});

test('threads beyond min_threads are started when tasks wait, and end when they are idle', async t => {
  const channel = await startChannel(t, '', { threads: 3, minThreads: 1 });
  assert.equal((await threadsOf(channel)).length, 1);
  for (const round of [0, 10, 20]) {
    const numbers = [round, round + 1, round + 2];
    const ids = channel.submit(...numbers.map(payload => ({ name: 'block', payload })));
    await channel.untilBegun(...numbers);
    for (const n of numbers) channel.release(n);
    const outcomes = await channel.all(ids);
    assert.equal(new Set(outcomes.map(({ value }) => value)).size, 3);
    await untilThreads(channel, 1);
  }
  assert.deepEqual(channel.errors, []);
});

test('a thread beyond min_threads stays for idle_timeout', async t => {
  const channel = await startChannel(t, '', { threads: 2, minThreads: 1, idleTimeout: 60_000 });
  const ids = channel.submit({ name: 'block', payload: 0 }, { name: 'block', payload: 1 });
  await channel.untilBegun(0, 1);
  for (const n of [0, 1]) channel.release(n);
  await channel.all(ids);
  for (let n = 0; n < 50; n++) await channel.run('default', n);
  assert.equal((await threadsOf(channel)).length, 2);
});

test('with min_threads = 0 the first task starts a thread', async t => {
  const channel = await startChannel(t, '', { threads: 2, minThreads: 0 });
  assert.equal((await channel.run('default', 1)).value, 1);
  assert.equal(await channel.threads.run(2), 2);
  const ids = channel.submit(...upTo(100).map(payload => ({ name: 'counted', payload })));
  for (const { status } of await channel.all(ids)) assert.equal(status, 'done');
  assert.deepEqual(channel.errors, []);
});

test('tasks run once each while threads come and go under them', async t => {
  const channel = await startChannel(t, '', { threads: 3, minThreads: 1, concurrentTasksPerWorker: 2 });
  const all: number[] = [];
  for (let round = 0; round < 30; round++) {
    const base = round * 20;
    all.push(...channel.submit(...upTo(20).map(n => ({ name: 'counted', payload: base + n }))));
    if (round % 3 === 0) await channel.all(all);
  }
  assert.deepEqual(
    (await channel.all(all)).map(({ value }) => value),
    upTo(600),
  );
  for (const n of upTo(600)) if (channel.begun(n) !== 1) assert.equal(channel.begun(n), 1, `task ${n}`);
});

async function untilThreads(channel: Channel, count: number): Promise<void> {
  let found = 0;
  await until(`there are ${count} threads`, () => {
    void threadsOf(channel).then(ids => {
      // It fails where one of the threads is about to end.
      if (Array.isArray(ids)) found = ids.length;
    });
    return found === count;
  });
}
