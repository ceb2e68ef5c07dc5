/** Tasks that are sent while no thread is free for them, and batches that go on. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChannel } from './batches.ts';

const large = () => new Uint8Array(100_000).fill(7);

test('a task that was sent ahead stays behind a long one, where any other is given back', async t => {
  const channel = await startChannel(t, '', { keepsReturned: true });
  channel.submit({ name: 'block', payload: 0 });
  await channel.untilBegun(0);
  const [ahead] = channel.submit({ name: 'counted', payload: 1, isAhead: true }) as [number];
  const [other] = channel.submit({ name: 'counted', payload: 2 }) as [number];
  assert.equal((await channel.final(other)).status, 'returned');
  assert.deepEqual(channel.finals(ahead), []);
  channel.release(0);
  assert.equal((await channel.final(ahead)).value, 1);
});

test('S35 a task that was sent ahead goes to whichever thread is free first', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  for (const free of [0, 1]) {
    const blocks = [0, 1].map(n => ({ name: 'block', payload: 10 * free + n }));
    const long = channel.submit(...blocks);
    await channel.untilBegun(10 * free, 10 * free + 1);
    const [ahead] = channel.submit({ name: 'where', isAhead: true }) as [number];
    channel.release(10 * free + free);
    const { value } = await channel.final(long[free] as number);
    assert.equal((await channel.final(ahead)).value, value);
    channel.release(10 * free + 1 - free);
    await channel.all(long);
  }
});

test('a tiny task does not join the batch of a thread that has a long one, but waits for one that is free', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  for (let round = 0; round < 20; round++) {
    const [long] = channel.submit({ name: 'block', payload: 2 * round, isLong: true }) as [number];
    // One thread is free, or just about to be: none of these comes to wait behind the other one.
    const tiny = channel.submit(...Array.from({ length: 20 }, () => ({ name: 'where' })));
    const threads = new Set((await channel.all(tiny)).map(({ value }) => value));
    assert.equal(threads.size, 1);
    channel.release(2 * round);
    assert.ok(!threads.has((await channel.final(long)).value));
  }
});

test('a task that was sent ahead can be recalled until it has begun', async t => {
  const channel = await startChannel(t, '', { keepsReturned: true });
  channel.submit({ name: 'block', payload: 0 });
  await channel.untilBegun(0);
  const [ahead, next] = channel.submit(
    { name: 'counted', payload: 1, isAhead: true },
    { name: 'counted', payload: 2, isAhead: true },
  ) as [number, number];
  channel.threads.recall(ahead);
  assert.equal((await channel.final(ahead)).status, 'returned');
  channel.release(0);
  assert.equal((await channel.final(next)).value, 2);
  assert.equal(channel.begun(1), 0);
  channel.threads.recall(next);
  assert.equal(channel.finals(next).length, 1);
});

test('a task that was sent ahead has its own time limit, which begins when it does', async t => {
  const channel = await startChannel(t, '', { abortGrace: 20 });
  channel.submit({ name: 'block', payload: 0 });
  await channel.untilBegun(0);
  const [ahead] = channel.submit({ name: 'spin', payload: 1, timeout: 30, isAhead: true }) as [number];
  channel.release(0);
  assert.equal((await channel.final(ahead)).status, 'ended');
  assert.deepEqual(
    channel.of(ahead).map(({ status }) => status),
    ['timedOut', 'ended'],
  );
});

test('tasks that come while a thread is busy run on it one after another, each once', async t => {
  const channel = await startChannel(t);
  let last = 0;
  const ids: number[] = [];
  for (let n = 0; n < 500; n += 5) {
    const payloads = [n, n + 1, n + 2, n + 3, n + 4];
    ids.push(
      ...channel.submit(...payloads.map(payload => ({ name: 'counted', payload, isAhead: n % 2 === 0 }))),
    );
    if (n % 50 === 0) last = (await channel.final(ids.at(-1) as number)).value as number;
  }
  assert.equal(last, 454);
  assert.deepEqual(
    (await channel.all(ids)).map(({ value }) => value),
    Array.from(ids, (_, n) => n),
  );
  assert.deepEqual(
    Array.from(ids, (_, n) => channel.begun(n)),
    Array(500).fill(1),
  );
});

test('timers and messages of a thread have their turn in a batch that goes on and on', async t => {
  const source = `
    let turns = 0;
    export const begin = () => { setInterval(() => turns++, 1).unref(); };
    export const turned = ms => { for (const end = performance.now() + ms; performance.now() < end; ); return turns; };
  `;
  const channel = await startChannel(t, source);
  channel.submit({ name: 'begin' });
  const ids = channel.submit(...Array.from({ length: 300 }, () => ({ name: 'turned', payload: 0.2 })));
  const turns = (await channel.all(ids)).map(({ value }) => value as number);
  // 60 ms of work: at the least every tenth of them the event loop has turned.
  assert.ok((turns.at(-1) as number) >= 3, `${turns.at(-1)} turns`);
});

test('memory of a large payload goes to the thread, and comes back as that of the result', async t => {
  const channel = await startChannel(t, 'export const sum = a => a.reduce((x, y) => x + y, 0);', {
    threads: 2,
  });
  const outcomes = await channel.all(
    channel.submit({ name: 'sum', payload: large() }, { name: 'sum', payload: [1, 2] }, { payload: large() }),
  );
  assert.deepEqual(
    outcomes.map(({ value }) => value),
    [700_000, 3, large()],
  );
});

test('a large payload that a thread was given and has not begun is given back to whoever still has it', async t => {
  // It returns, and then its thread never comes to another task.
  const source = 'export const hang = () => { setImmediate(() => { count(0); for (;;); }); };';
  const channel = await startChannel(t, source, { keepsReturned: true });
  await channel.run('hang');
  await channel.untilBegun(0);
  const [task] = channel.submit({ name: 'size', payload: large() }) as [number];
  channel.threads.recall(task);
  assert.equal((await channel.final(task)).status, 'returned');
});
