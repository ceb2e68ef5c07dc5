/** What a thread and its host agree on through shared memory. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
// Compiled, as threads load it as well.
import { clock, LaneMemory } from '../../dist/worker/lane-memory.js';

const source = new URL('../../dist/worker/lane-memory.js', import.meta.url).href;

/** A real thread that runs batches as `thread-main` does, as far as the memory of its lane is concerned. */
const code = `
const { parentPort, workerData, threadId } = require('node:worker_threads');
import(${JSON.stringify(source)}).then(({ clock, LaneMemory }) => {
  const memory = new LaneMemory(workerData);
  parentPort.on('message', ({ size, spin }) => {
    memory.enter(threadId);
    let ran = 0;
    const result = new Uint32Array(1);
    const bytes = new Uint8Array(result.buffer);
    for (let place = 0; place < size && memory.begin(place, clock()); place++) {
      for (let n = 0; n < spin; n++) result[0] = n;
      result[0] = place;
      ran++;
      if (!memory.write(bytes)) throw new Error('no room');
      memory.end();
    }
    parentPort.postMessage(ran);
  });
  parentPort.postMessage(clock());
});`;

async function startThread(t: TestContext, memory: LaneMemory): Promise<{ thread: Worker; time: number }> {
  const thread = new Worker(code, { eval: true, workerData: memory.shared });
  t.after(() => thread.terminate());
  const [time] = await once(thread, 'message');
  return { thread, time };
}

const places = (bytes: Buffer): number[] =>
  Array.from({ length: bytes.length / 4 }, (_, n) => bytes.readUInt32LE(4 * n));
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

test('a thread begins the tasks of a batch in their order, each once', () => {
  const host = new LaneMemory();
  const thread = new LaneMemory(host.shared);
  assert.equal(host.begun, 0);
  assert.equal(thread.begin(0, 10), true);
  assert.deepEqual([host.begun, host.ended, host.startedAt], [1, 0, 10]);
  thread.end();
  assert.equal(thread.begin(1, 20), true);
  assert.deepEqual([host.begun, host.ended, host.startedAt], [2, 1, 20]);
});

test('what was taken from a thread it cannot begin', () => {
  const host = new LaneMemory();
  const thread = new LaneMemory(host.shared);
  thread.begin(0, 0);
  assert.equal(host.takeRest(), 1);
  assert.equal(thread.begin(1, 0), false);
  thread.end();
  assert.equal(host.ended, 1);
});

for (const reason of ['cancelled', 'timed out'] as const) {
  test(`that a task was ${reason} is said of one place of the batch, and gone with the batch`, () => {
    const host = new LaneMemory();
    const thread = new LaneMemory(host.shared);
    const reasons = () => upTo(3).map(place => thread.abortReason(place));
    for (const place of upTo(3)) {
      assert.deepEqual(reasons(), [undefined, undefined, undefined]);
      host.abort(place, reason);
      assert.deepEqual(
        reasons(),
        upTo(3).map(each => (each === place ? reason : undefined)),
      );
      host.reset();
    }
  });
}

test('results are read from where the last reading ended, and are copies', () => {
  const host = new LaneMemory();
  const thread = new LaneMemory(host.shared);
  assert.equal(host.results(0).length, 0);
  thread.write(Buffer.from('one'));
  const first = host.results(0);
  thread.write(Buffer.from('two'));
  assert.equal(host.results(3).toString(), 'two');
  assert.equal(host.results(6).length, 0);
  host.reset();
  thread.write(Buffer.from('new'));
  assert.equal(first.toString(), 'one');
  assert.equal(host.results(0).toString(), 'new');
});

test('a result for which there is no room is refused whole; a smaller one still fits', () => {
  const host = new LaneMemory();
  const thread = new LaneMemory(host.shared);
  const block = new Uint8Array(1000).fill(7);
  let written = 0;
  while (thread.write(block)) written++;
  assert.ok(written > 0, 'there is room for one');
  assert.equal(host.results(0).length, 1000 * written);
  while (thread.write(block.subarray(0, 1)));
  const all = host.results(0);
  assert.equal(thread.write(block.subarray(0, 1)), false);
  assert.equal(thread.write(new Uint8Array(0)), true);
  assert.ok(
    all.every(byte => byte === 7),
    'is whole',
  );
  host.reset();
  assert.equal(thread.write(block), true);
});

test('a reset memory is as a new one', () => {
  const host = new LaneMemory();
  host.enter(12);
  host.begin(0, 5);
  host.write(Buffer.from('x'));
  host.end();
  host.abort(0, 'cancelled');
  host.takeRest();
  host.reset();
  assert.deepEqual([host.begun, host.ended, host.threadId, host.results(0).length], [0, 0, 0, 0]);
  assert.equal(host.abortReason(0), undefined);
  assert.equal(host.begin(0, 0), true);
});

test('a thread and its host measure time alike', async t => {
  const before = clock();
  const { time } = await startThread(t, new LaneMemory());
  const after = clock();
  // Each thread counts from its own start: that would be off by more.
  assert.ok(time >= before - 20 && time <= after + 20, `${before} ≤ ${time} ≤ ${after}`);
});

test('whenever the rest of a batch is taken, the thread has run what was begun, and nothing else', async t => {
  const memory = new LaneMemory();
  const { thread } = await startThread(t, memory);
  const size = 2000;
  for (let round = 0; round < 300; round++) {
    memory.reset();
    const done = once(thread, 'message');
    thread.postMessage({ size, spin: 200 });
    // At another moment each time: before the first, in the middle, after the last.
    const moment = (round * 37) % size;
    while (memory.ended < moment);
    if (round % 10 === 0) await done;
    const begun = Math.min(memory.takeRest(), size);
    const [ran] = await done;
    assert.equal(ran, begun, `round ${round}`);
    assert.equal(memory.ended, begun);
    assert.deepEqual(places(memory.results(0)), upTo(begun));
  }
});

test('a task that has ended has its result in the memory', async t => {
  const memory = new LaneMemory();
  const { thread } = await startThread(t, memory);
  const size = 10_000;
  for (let round = 0; round < 20; round++) {
    memory.reset();
    const done = once(thread, 'message');
    thread.postMessage({ size, spin: 10 });
    let fetched = 0;
    for (let ended = 0; ended < size; ) {
      ended = memory.ended;
      const found = places(memory.results(4 * fetched));
      assert.deepEqual(
        found,
        found.map((_, n) => fetched + n),
      );
      fetched += found.length;
      if (fetched < ended) assert.fail(`${ended} have ended, ${fetched} results are there`);
    }
    await done;
    assert.equal(fetched, size);
  }
});

test('a task that is seen to run has begun by the time that is seen with it', async t => {
  const memory = new LaneMemory();
  const { thread } = await startThread(t, memory);
  const size = 10_000;
  memory.reset();
  const done = once(thread, 'message');
  const submitted = clock();
  thread.postMessage({ size, spin: 100 });
  let last = 0;
  while (memory.ended < size) {
    if (memory.begun === 0) continue;
    const { startedAt } = memory;
    assert.ok(startedAt >= last && startedAt >= submitted - 20, `${startedAt} after ${last}`);
    last = startedAt;
  }
  await done;
  assert.notEqual(memory.threadId, 0);
});

test('tasks join a batch until its thread has found none, and then no more', () => {
  const host = new LaneMemory();
  const thread = new LaneMemory(host.shared);
  assert.equal(host.join(Buffer.from('one')), true);
  assert.equal(host.join(Buffer.from('two')), true);
  const first = thread.joined(0);
  assert.equal(first?.toString(), 'onetwo');
  assert.equal(host.join(Buffer.from('three')), true);
  assert.equal(thread.joined(6)?.toString(), 'three');
  assert.equal(thread.joined(11), undefined);
  assert.equal(host.join(Buffer.from('late')), false);
  assert.equal(thread.joined(11), undefined);
  host.reset();
  assert.equal(host.join(Buffer.from('new')), true);
  assert.equal(first?.toString(), 'onetwo', 'is a copy');
});

test('tasks for which there is no room do not join', () => {
  const host = new LaneMemory();
  const block = new Uint8Array(1000);
  let joined = 0;
  while (host.join(block)) joined++;
  assert.ok(joined > 0, 'there is room for one');
  assert.equal(host.join(block.subarray(0, 1)), true);
  assert.equal(new LaneMemory(host.shared).joined(0)?.length, 1000 * joined + 1);
});
