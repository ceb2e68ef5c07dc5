/** How tasks of the channel are spread over threads, and what becomes of each: real threads, encoded tasks, records. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Outcome, startChannel, type TaskSpec } from './batches.ts';

const counted = (from: number, to: number): TaskSpec[] =>
  Array.from({ length: to - from }, (_, i) => ({ name: 'counted', payload: from + i }));

function valuesOf(outcomes: readonly Outcome[]): unknown[] {
  return outcomes.map(({ status, value }) => (status === 'done' ? value : status));
}

test('every task of a batch answers once, with its own result', async t => {
  const channel = await startChannel(t);
  const ids = channel.submit(
    { payload: 1 },
    { name: 'fail', payload: 'no' },
    { payload: 'x' },
    { name: 'none' },
  );
  const [one, failed, text, unknown] = (await channel.all(ids)) as [Outcome, Outcome, Outcome, Outcome];
  assert.deepEqual([one.status, one.value], ['done', 1]);
  assert.equal(failed.status, 'thrown');
  assert.ok(failed.value instanceof RangeError && failed.value.message === 'no', String(failed.value));
  assert.deepEqual([text.status, text.value], ['done', 'x']);
  assert.equal(unknown.status, 'unknown');
  assert.ok((unknown.value as string[]).includes('where'), String(unknown.value));
  await channel.threads.close();
  assert.equal(channel.outcomes.length, 4);
  assert.equal(channel.ended, 4);
});

test('ten thousand tiny tasks of one submission run once each, and answer once each', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const ids = channel.submit(...counted(0, 10_000));
  const outcomes = await channel.all(ids);
  assert.deepEqual(
    valuesOf(outcomes),
    Array.from(ids, (_, n) => n),
  );
  for (let n = 0; n < 10_000; n++) if (channel.begun(n) !== 1) assert.equal(channel.begun(n), 1, `task ${n}`);
  await channel.threads.close();
  assert.equal(channel.outcomes.length, 10_000);
  assert.equal(channel.ended, 10_000);
});

test('tasks of many submissions in one turn run once each', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const ids = Array.from({ length: 1000 }, (_, n) => channel.submit({ name: 'counted', payload: n })).flat();
  assert.deepEqual(
    valuesOf(await channel.all(ids)),
    Array.from(ids, (_, n) => n),
  );
  assert.deepEqual(
    Array.from(ids, (_, n) => channel.begun(n)),
    Array(1000).fill(1),
  );
});

test('tasks of a batch behind a long task go to another thread that is idle', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const [long, ...tiny] = channel.submit({ name: 'block', payload: 0 }, ...counted(1, 20)) as [
    number,
    ...number[],
  ];
  assert.deepEqual(
    valuesOf(await channel.all(tiny)),
    Array.from(tiny, (_, i) => i + 1),
  );
  assert.deepEqual(channel.finals(long), []);
  assert.equal(channel.threads.running.length, 1);
  channel.release(0);
  assert.equal((await channel.final(long)).status, 'done');
});

test('where all threads are held up, what waits is given back, and what runs goes on', async t => {
  const channel = await startChannel(t, '', { threads: 2, keepsReturned: true });
  const long = channel.submit({ name: 'block', payload: 0 }, { name: 'wait', payload: 1 });
  await channel.untilBegun(0, 1);
  const waiting = channel.submit(...counted(2, 12));
  assert.deepEqual(valuesOf(await channel.all(waiting)), Array(10).fill('returned'));
  channel.release(0);
  channel.release(1);
  for (const { status } of await channel.all(long)) assert.equal(status, 'done');
  await channel.threads.close();
  // They are their sender's again: they were not run here.
  for (let n = 2; n < 12; n++) assert.equal(channel.begun(n), 0);
  assert.equal(channel.ended, 2);
});

test('tasks behind a long one of their own batch are given back where there is no other thread', async t => {
  const channel = await startChannel(t, '', { keepsReturned: true });
  const [long, ...rest] = channel.submit({ name: 'block', payload: 0 }, ...counted(1, 4)) as [
    number,
    ...number[],
  ];
  assert.deepEqual(valuesOf(await channel.all(rest)), Array(3).fill('returned'));
  channel.release(0);
  assert.equal((await channel.final(long)).status, 'done');
});

test('no result is held back by a long task that follows it in its batch', async t => {
  const channel = await startChannel(t);
  for (let round = 0; round < 300; round++) {
    // Ends at any moment of the host's own time table.
    const busy = { name: 'busy', payload: (round % 30) / 10 };
    const [quick, long] = channel.submit(busy, { name: 'block', payload: round }) as [number, number];
    assert.equal((await channel.final(quick)).status, 'done', `round ${round}`);
    channel.release(round);
    await channel.final(long);
  }
});

test('a thread that ends under a task takes no result and no other task with it', async t => {
  const channel = await startChannel(t);
  for (const base of [0, 100, 200]) {
    const batch = [
      ...counted(base, base + 50),
      { name: 'exit', payload: 7 },
      ...counted(base + 50, base + 100),
    ];
    const outcomes = await channel.all(channel.submit(...batch));
    const [lost] = outcomes.splice(50, 1);
    assert.deepEqual([lost?.status, lost?.value], ['threadLost', 'it exited with code 7']);
    assert.deepEqual(
      valuesOf(outcomes),
      Array.from(outcomes, (_, n) => base + n),
    );
  }
  for (let n = 0; n < 300; n++) if (channel.begun(n) !== 1) assert.equal(channel.begun(n), 1, `task ${n}`);
  assert.deepEqual(channel.errors, []);
});

test('a task that is killed for its time takes no result and no other task with it', async t => {
  const channel = await startChannel(t, '', { threads: 2, abortGrace: 20 });
  const batch = [...counted(0, 50), { name: 'spin', payload: 1000, timeout: 50 }, ...counted(50, 100)];
  const ids = channel.submit(...batch);
  const outcomes = await channel.all(ids);
  const [killed] = outcomes.splice(50, 1);
  assert.equal(killed?.status, 'ended');
  assert.deepEqual(
    channel.of(ids[50] as number).map(({ status, value }) => [status, value]),
    [
      ['timedOut', 50],
      ['ended', undefined],
    ],
  );
  assert.deepEqual(
    valuesOf(outcomes),
    Array.from(outcomes, (_, n) => n),
  );
  for (let n = 0; n < 100; n++) if (channel.begun(n) !== 1) assert.equal(channel.begun(n), 1, `task ${n}`);
});

test('a result is there even where its thread ends right after it, however large it is', async t => {
  const channel = await startChannel(t);
  for (let round = 0; round < 20; round++) {
    const sizes = [10, 1000, 20_000, 200_000];
    const ids = channel.submit(...sizes.map(payload => ({ name: 'bytes', payload })), {
      name: 'exit',
      payload: 1,
    });
    const outcomes = await channel.all(ids);
    assert.equal(outcomes.pop()?.status, 'threadLost');
    assert.deepEqual(
      outcomes.map(({ value }) => (value as Buffer).length),
      sizes,
    );
  }
});

test('a task whose thread fails outside of its call is rejected with that error, and the next runs', async t => {
  const channel = await startChannel(
    t,
    `export const later = () => new Promise(() => setTimeout(() => { throw new RangeError('later'); }, 1));`,
  );
  const [later] = channel.submit({ name: 'later' });
  const outcome = await channel.final(later as number);
  assert.equal(outcome.status, 'thrown');
  assert.ok(outcome.value instanceof RangeError && outcome.value.message === 'later', String(outcome.value));
  assert.equal((await channel.run('default', 'next')).value, 'next');
});

test('results that find no room in the memory of their lane arrive all the same', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const sizes = Array.from({ length: 400 }, (_, n) => (n * 997) % 40_000);
  const outcomes = await channel.all(channel.submit(...sizes.map(payload => ({ name: 'bytes', payload }))));
  assert.deepEqual(
    outcomes.map(({ value }) => (value as Buffer).length),
    sizes,
  );
  for (const { value } of outcomes)
    assert.ok(
      (value as Buffer).every(byte => byte === 7),
      'of sevens',
    );
  const large = await channel.run('bytes', 17 * 2 ** 20);
  assert.equal((large.value as Buffer).length, 17 * 2 ** 20);
});

test('payloads of any size arrive, those of one batch together', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const sizes = [0, 1, 127, 128, 4095, 65_535, 65_536, 65_537, 1_000_000, 17 * 2 ** 20];
  for (const unit of ['x', 'ж']) {
    const batch = sizes.map(length => ({ name: 'size', payload: unit.repeat(length) }));
    assert.deepEqual(valuesOf(await channel.all(channel.submit(...batch))), sizes);
  }
});

test('a task that waits is cancelled without being run, and its mates stay', async t => {
  const channel = await startChannel(t, '', { keepsReturned: true });
  const [long] = channel.submit({ name: 'block', payload: 0 }) as [number];
  await channel.untilBegun(0);
  const [before, cancelled, after] = channel.submit(...counted(1, 4)) as [number, number, number];
  channel.threads.cancel(cancelled);
  assert.equal((await channel.final(cancelled)).status, 'ended');
  assert.deepEqual(valuesOf(await channel.all([before, after])), ['returned', 'returned']);
  channel.release(0);
  await channel.final(long);
  assert.equal(channel.begun(2), 0);
});

test('tasks of one batch are cancelled one by one, at once', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const ids = channel.submit(...counted(0, 500));
  for (const [n, id] of ids.entries()) if (n % 2) channel.threads.cancel(id);
  for (const [n, { id, status, value }] of (await channel.all(ids)).entries()) {
    assert.equal(channel.finals(id).length, 1);
    if (n % 2 && status === 'ended') assert.equal(channel.begun(n), 0, `task ${n}`);
    else assert.deepEqual([status, value, channel.begun(n)], ['done', n, 1]);
  }
});

test('a cancelled task that is over, or of which nothing is known, changes nothing', async t => {
  const channel = await startChannel(t);
  const { id } = await channel.run('default', 1);
  channel.threads.cancel(id);
  channel.threads.cancel(4711);
  channel.threads.recall(id);
  channel.threads.credit(id, 3);
  assert.equal((await channel.run('default', 2)).value, 2);
  assert.equal(channel.finals(id).length, 1);
});

test('a cancelled task that runs and does not heed is ended with its thread; cancelled twice it ends once', async t => {
  const channel = await startChannel(t, '', { abortGrace: 20 });
  const before = await channel.run('where');
  for (const name of ['spin', 'ignore']) {
    const [id] = channel.submit({ name, payload: 0 }) as [number];
    await channel.untilBegun(0);
    channel.threads.cancel(id);
    channel.threads.cancel(id);
    assert.equal((await channel.final(id)).status, 'ended');
    assert.equal(channel.of(id).length, 1);
  }
  const after = await channel.run('where');
  assert.equal(after.status, 'done');
  assert.notEqual(after.value, before.value);
});

test('recall gives back a task that waits, and no other', async t => {
  const channel = await startChannel(t, '', { threads: 2, keepsReturned: true });
  const [long, other] = channel.submit({ name: 'block', payload: 0 }, { name: 'block', payload: 1 }) as [
    number,
    number,
  ];
  await channel.untilBegun(0, 1);
  const [waiting] = channel.submit(...counted(2, 3)) as [number];
  channel.threads.recall(waiting);
  channel.threads.recall(long);
  assert.equal((await channel.final(waiting)).status, 'returned');
  channel.release(0);
  channel.release(1);
  assert.deepEqual(
    (await channel.all([long, other])).map(({ status }) => status),
    ['done', 'done'],
  );
  assert.equal(channel.begun(2), 0);
});

test('tasks of the channel and calls from within run side by side, each with its own result', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const local: Promise<unknown>[] = [];
  const ids: number[] = [];
  for (let n = 0; n < 500; n++) {
    ids.push(...channel.submit(...counted(2 * n, 2 * n + 2)));
    local.push(channel.threads.run(`local ${n}`));
    if (n % 50 === 0) await new Promise(setImmediate);
  }
  assert.deepEqual(
    await Promise.all(local),
    Array.from(local, (_, n) => `local ${n}`),
  );
  assert.deepEqual(
    valuesOf(await channel.all(ids)),
    Array.from(ids, (_, n) => n),
  );
  assert.equal(channel.outcomes.length, ids.length);
});

test('a call from within waits for a thread where a task of the channel is given back', async t => {
  const channel = await startChannel(t, '', { keepsReturned: true });
  channel.submit({ name: 'block', payload: 0 });
  await channel.untilBegun(0);
  const local = channel.threads.run('local');
  const [waiting] = channel.submit({ payload: 'channel' }) as [number];
  assert.equal((await channel.final(waiting)).status, 'returned');
  channel.release(0);
  assert.equal(await local, 'local');
});

test('closing waits for all that was submitted, and loses none of it', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const sizes = Array.from({ length: 60 }, (_, n) => n * 1000);
  const ids = channel.submit(...sizes.map(payload => ({ name: 'bytes', payload })));
  const local = Promise.all([1, 2, 3].map(n => channel.threads.run(n)));
  await channel.threads.close();
  assert.deepEqual(
    ids.flatMap(id => channel.finals(id)).map(({ value }) => (value as Buffer).length),
    sizes,
  );
  assert.deepEqual(await local, [1, 2, 3]);
  assert.equal(channel.ended, 60);
});

test('closing with nothing to do ends at once', async t => {
  const channel = await startChannel(t);
  await channel.threads.close();
  assert.deepEqual(channel.outcomes, []);
});

test('closed threads leave no timer behind', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
  const before = timers();
  const channel = await startChannel(t, '', { abortGrace: 5000 });
  const [id] = channel.submit({ name: 'heed', payload: 0, timeout: 5000 }) as [number];
  await channel.untilBegun(0);
  channel.threads.cancel(id);
  await channel.final(id);
  await channel.threads.close();
  assert.equal(timers(), before);
});

test('without threads a task is answered with that', async t => {
  const channel = await startChannel(t, '', { threads: 0 });
  assert.equal((await channel.run('default')).status, 'noThreads');
});
