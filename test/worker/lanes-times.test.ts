/** Moments that are too short to be met by chance: here the test is the thread, through the memory that they share. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../dist/channel/bytes.js';
import { type TaskCall, TaskReader, TaskWriter } from '../../dist/channel/tasks.js';
import { withResolvers } from '../../dist/promise.js';
import { Lane } from '../../dist/worker/lane.js';
import { clock, LaneMemory } from '../../dist/worker/lane-memory.js';
import { Lanes } from '../../dist/worker/lanes.js';
import type { ThreadSet } from '../../dist/worker/thread-set.js';
import { until } from '../helpers/processes.ts';

test('the last task of a batch is timed out, also where the host looks before it has begun', async t => {
  const unlimited: TaskCall = { name: 'first', kind: 'run', timeout: 0, attempt: 1 };
  const limited: TaskCall = { name: 'last', kind: 'run', timeout: 20, attempt: 1 };
  const ended: number[] = [];
  const timedOut: number[] = [];
  const batch = withResolvers<number>();
  const threads = { piscina: { run: () => batch.promise }, terminate: () => {} } as unknown as ThreadSet;
  const lane: Lane = new Lane(0, () => threads, {
    onRecords: () => {},
    onEnded: tasks => void ended.push(...tasks.map(({ id }) => id)),
    onLost: () => {},
    onUnbegun: () => {},
    onIdle: () => {},
  });
  const lanes = new Lanes([lane], 1000, {
    onTimedOut: ({ id }) => void timedOut.push(id),
    onAbort: () => {},
    onCancelled: () => {},
    onReturned: () => {},
  });
  t.after(() => lanes.close());
  lanes.submit(tasks([1, unlimited], [2, limited]));

  const thread = new LaneMemory(lane.shared);
  assert.equal(thread.begin(0, clock()), true);
  thread.end();
  await until('the host has seen the first one end', () => ended.length === 1);
  // Only now: the host has looked at a lane where nothing ran.
  assert.equal(thread.begin(1, clock()), true);
  await until('the last one is timed out', () => timedOut.length === 1);
  assert.deepEqual(timedOut, [2]);
  thread.end();
  batch.resolve(0);
});

for (const [expected, threads] of [
  [0.01, 1],
  [0.09, 2],
] as const) {
  test(`two calls of ${expected} ms wake as many threads as they are worth: ${threads}`, t => {
    let woken = 0;
    const run = () => {
      woken++;
      return new Promise(() => {});
    };
    const set = { piscina: { run }, terminate: () => {} } as unknown as ThreadSet;
    const events = {
      onRecords: () => {},
      onEnded: () => {},
      onLost: () => {},
      onUnbegun: () => {},
      onIdle: () => {},
    };
    const lanes = new Lanes(
      [0, 1].map(number => new Lane(number, () => set, events)),
      1000,
      { onTimedOut: () => {}, onAbort: () => {}, onCancelled: () => {}, onReturned: () => {} },
    );
    t.after(() => lanes.close());
    const call: TaskCall = { name: 'tiny', kind: 'rpc', timeout: 0, attempt: 1 };
    lanes.submit(tasks([1, call], [2, call]).map(task => Object.assign(task, { expected })));
    assert.equal(woken, threads);
  });
}

function tasks(...calls: readonly (readonly [id: number, call: TaskCall])[]) {
  const bytes = new ByteWriter();
  const writer = new TaskWriter(bytes);
  for (const [id, call] of calls) writer.write(id, call, undefined);
  const reader = new TaskReader(bytes.take());
  return calls.map(() => {
    const task = reader.next();
    assert.ok(task, 'one was written for each call');
    return task;
  });
}
