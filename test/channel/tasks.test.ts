/** Tasks are read as they were written, each with its call. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../src/channel/bytes.ts';
import {
  type EncodedTask,
  payloadOf,
  type TaskCall,
  TaskReader,
  TaskWriter,
} from '../../src/channel/tasks.ts';

const run: TaskCall = { name: 'default', kind: 'run', timeout: 0, attempt: 1 };
const stream: TaskCall = { name: 'lines', kind: 'stream', timeout: 250, attempt: 2, window: 16 };
const other: TaskCall = {
  ...run,
  name: 'größe',
  module: { task: '/app/other.ts', entry: '/tmp/other.mjs', loader: 'compiled' },
};
const calls = [run, stream, other];

interface Task {
  readonly id: number;
  readonly call: TaskCall;
  readonly payload: unknown;
}

function write(tasks: readonly Task[], writer = new ByteWriter()): Buffer {
  const encoder = new TaskWriter(writer);
  for (const { id, call, payload } of tasks) encoder.write(id, call, payload);
  return writer.take();
}

function encodedIn(bytes: Buffer, start = 0): EncodedTask[] {
  const reader = new TaskReader(bytes.subarray(start));
  const found: EncodedTask[] = [];
  for (let task = reader.next(); task; task = reader.next()) found.push(task);
  return found;
}

const decode = (task: EncodedTask): Task => ({ id: task.id, call: task.call, payload: payloadOf(task) });
const read = (bytes: Buffer, start = 0): Task[] => encodedIn(bytes, start).map(decode);

/** A member that is undefined may be there or not. */
const withoutUndefined = (tasks: readonly Task[]): unknown =>
  tasks.map(({ call, ...rest }) => ({ ...rest, call: { ...call } }));

const anyTask = fc.record({
  id: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  call: fc.constantFrom(...calls),
  payload: fc.anything({ withMap: true }),
});

test('tasks of calls that alternate come back in their order, each with its own', () => {
  fc.assert(
    fc.property(fc.array(anyTask), tasks => {
      assert.deepStrictEqual(withoutUndefined(read(write(tasks))), withoutUndefined(structuredClone(tasks)));
    }),
  );
});

test('tasks can be read one at a time, to the end and no further', () => {
  const reader = new TaskReader(write([{ id: 7, call: run, payload: 'x' }]));
  assert.equal(reader.next()?.id, 7);
  assert.equal(reader.next(), undefined);
  assert.equal(reader.next(), undefined);
  assert.deepEqual(read(Buffer.alloc(0)), []);
});

test('tasks can begin anywhere in what was received', () => {
  const writer = new ByteWriter();
  writer.bytes(Buffer.from('header'));
  const bytes = write([{ id: 1, call: stream, payload: [1] }], writer);
  assert.deepEqual(read(bytes, 6), [{ id: 1, call: stream, payload: [1] }]);
});

test('a call is written once, however often others come between', () => {
  const sizeOf = (tasks: readonly Task[]) => write(tasks).length;
  const task = (call: TaskCall) => ({ id: 1, call, payload: 0 });
  const many = Array.from({ length: 100 }, (_, n) => task(calls[n % 3] as TaskCall));
  const each = sizeOf([task(run), task(run)]) - sizeOf([task(run)]);
  const once = calls.reduce((sum, call) => sum + sizeOf([task(call)]) - each, 0);
  // Three bytes say which call it is.
  assert.equal(sizeOf(many), once + 100 * each + 97 * 3);
});

test('tasks of one call share it once they are read', () => {
  const [a, b, c] = read(write([run, stream, run].map((call, id) => ({ id, call, payload: 0 }))));
  assert.equal(a?.call, c?.call);
  assert.notEqual(a?.call, b?.call);
});

test('thousands of different calls in one frame are kept apart', () => {
  const tasks = Array.from({ length: 3000 }, (_, n) => ({ id: n, call: { ...run, timeout: n }, payload: n }));
  const again = [...tasks, ...tasks.toReversed()];
  assert.deepEqual(read(write(again)), again);
});

test('copied tasks are what they were, among others that are written', () => {
  fc.assert(
    fc.property(fc.array(anyTask), fc.array(anyTask), fc.array(fc.boolean()), (received, written, order) => {
      const encoded = encodedIn(write(received));
      const writer = new ByteWriter();
      const encoder = new TaskWriter(writer);
      const expected: Task[] = [];
      for (let copies = 0, writes = 0; copies + writes < received.length + written.length; ) {
        const copied = received[copies];
        const own = written[writes];
        const isCopy =
          own === undefined || (copied !== undefined && order[(copies + writes) % order.length] === true);
        if (isCopy) {
          encoder.copy(encoded[copies++] as EncodedTask);
        } else {
          encoder.write(own.id, own.call, own.payload);
          writes++;
        }
        expected.push((isCopy ? copied : own) as Task);
      }
      assert.deepStrictEqual(
        withoutUndefined(read(writer.take())),
        withoutUndefined(structuredClone(expected)),
      );
    }),
  );
});

test('a copy of a copy of a copy is the same', () => {
  let bytes = write(calls.map((call, id) => ({ id, call, payload: { id, text: 'x'.repeat(1000 * id) } })));
  const first = read(bytes);
  for (let n = 0; n < 3; n++) {
    const writer = new ByteWriter();
    const encoder = new TaskWriter(writer);
    for (const task of encodedIn(bytes)) encoder.copy(task);
    bytes = writer.take();
  }
  assert.deepEqual(read(bytes), first);
});

const refused: [string, unknown, object][] = [
  ['that cannot be cloned', { ok: 1, no: () => {} }, { name: 'DataCloneError' }],
  [
    'that cannot be cloned, late in it',
    new Map<unknown, unknown>([
      ['x'.repeat(1000), 1],
      [1, Symbol('x')],
    ]),
    { name: 'DataCloneError' },
  ],
  [
    'with a getter that throws',
    {
      ok: 1,
      get no(): never {
        throw new RangeError('mine');
      },
    },
    { name: 'RangeError', message: 'mine' },
  ],
];

for (const [what, payload, error] of refused) {
  test(`a payload ${what} leaves no trace between tasks before and after it`, () => {
    for (const call of calls) {
      const writer = new ByteWriter();
      const encoder = new TaskWriter(writer);
      encoder.write(1, run, 'before');
      // Of a call that is new, and of one that is known.
      assert.throws(() => encoder.write(2, call, payload), error);
      assert.throws(() => encoder.write(3, call, payload), error);
      encoder.write(4, call, 'after');
      encoder.write(5, stream, 'last');
      assert.deepEqual(
        read(writer.take()).map(({ id, call: { name }, payload: value }) => [id, name, value]),
        [
          [1, run.name, 'before'],
          [4, call.name, 'after'],
          [5, stream.name, 'last'],
        ],
      );
    }
  });
}

test('a refused payload alone leaves nothing that reads as a task', () => {
  const writer = new ByteWriter();
  assert.throws(() => new TaskWriter(writer).write(1, run, () => {}), { name: 'DataCloneError' });
  assert.deepEqual(read(writer.take()), []);
});

test('tasks find the memory that their own payloads refer to, also as copies', () => {
  const payload = (n: number) => new Uint8Array(40_000).fill(n);
  const payloads = [1, payload(2), 'text', [payload(4), payload(5)], payload(6)];
  const writer = new ByteWriter();
  const encoder = new TaskWriter(writer);
  const blobs = payloads.flatMap((each, id) =>
    encoder.write(id, run, each, { isAhead: id % 2 === 0, isLong: id < 3 }),
  );
  assert.equal(blobs.length, 4);
  const received = (memory: readonly Uint8Array[]) => {
    const reader = new TaskReader(
      writer.take(),
      memory.map(blob => new Uint8Array(blob)),
    );
    return Array.from(payloads, () => reader.next() as EncodedTask);
  };
  const first = received(blobs);
  const again = new TaskWriter(writer);
  for (const task of first) again.copy(task);
  const copies = received(first.flatMap(task => task.blobs));
  for (const tasks of [first, copies]) {
    assert.deepEqual(tasks.map(payloadOf), payloads);
    assert.deepEqual(
      tasks.map(({ isAhead, isLong }) => [isAhead, isLong]),
      [0, 1, 2, 3, 4].map(id => [id % 2 === 0, id < 3]),
    );
  }
});

test('a reader goes on with what the same writer wrote later', () => {
  const writer = new ByteWriter();
  const encoder = new TaskWriter(writer);
  encoder.write(1, run, 'a');
  const reader = new TaskReader(writer.take());
  assert.equal(reader.next()?.id, 1);
  assert.equal(reader.next(), undefined);
  encoder.write(2, run, 'b');
  encoder.write(3, stream, 'c');
  reader.continue(writer.take());
  assert.deepEqual(
    [decode(reader.next() as EncodedTask), decode(reader.next() as EncodedTask)],
    [
      { id: 2, call: run, payload: 'b' },
      { id: 3, call: stream, payload: 'c' },
    ],
  );
});

test('a copy says when its task arrived, once for those that came together', () => {
  const received = write(calls.map((call, id) => ({ id, call: id === 2 ? run : call, payload: 0 })));
  const writer = new ByteWriter();
  const encoder = new TaskWriter(writer);
  for (const at of [1.5, 2.5]) {
    const reader = new TaskReader(received, [], { at });
    for (let task = reader.next(); task; task = reader.next()) encoder.copy(task);
  }
  const bytes = writer.take();
  assert.deepEqual(
    encodedIn(bytes).map(({ arrival }) => arrival.at),
    [1.5, 1.5, 1.5, 2.5, 2.5, 2.5],
  );
  assert.equal(bytes.length, write([...read(received), ...read(received)]).length + 2 * 9);
});
