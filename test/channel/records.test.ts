/** Records are read as they were written. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../src/channel/bytes.ts';
import { forEachRecord, isFinal, Status, valueOfRecord, writeRecord } from '../../src/channel/records.ts';

interface Entry {
  readonly id: number;
  readonly status: Status;
  readonly runTime: number;
  readonly value: unknown;
}

function read(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  forEachRecord(bytes, record => {
    const { id, status, runTime } = record;
    entries.push({ id, status, runTime, value: valueOfRecord(record) });
  });
  return entries;
}

const entry = fc.record({
  id: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  status: fc.constantFrom(...Object.values(Status)),
  runTime: fc.float({ min: 0, noNaN: true }),
  value: fc.anything({ withMap: true, withTypedArray: true }),
});

test('records of every kind come back in their order', () => {
  fc.assert(
    fc.property(fc.array(entry), entries => {
      const writer = new ByteWriter();
      for (const { id, status, runTime, value } of entries) writeRecord(writer, id, status, runTime, value);
      assert.deepStrictEqual(read(writer.take()), structuredClone(entries));
    }),
  );
});

test('records that were put together from several writers are read as one', () => {
  const parts = [1, 2, 3].map(id => {
    const writer = new ByteWriter();
    writeRecord(writer, id, Status.done, 0.5, { id });
    writeRecord(writer, id, Status.item, 0, 'x'.repeat(10_000));
    return writer.take();
  });
  assert.deepEqual(
    read(Buffer.concat(parts)).map(({ id }) => id),
    [1, 1, 2, 2, 3, 3],
  );
});

test('no bytes are no records', () => {
  assert.deepEqual(read(Buffer.alloc(0)), []);
});

test('only an item and the end of the time of a task are not its last record', () => {
  const further = Object.entries(Status).flatMap(([name, status]) => (isFinal(status) ? [] : [name]));
  assert.deepEqual(further, ['item', 'timedOut']);
});

for (const [what, value, error] of [
  ['cannot be cloned', { ok: 1, no: () => {} }, { name: 'DataCloneError' }],
  [
    'throws while it is read',
    {
      ok: 1,
      get no(): never {
        throw new RangeError('mine');
      },
    },
    { name: 'RangeError', message: 'mine' },
  ],
] as const) {
  test(`a value that ${what} leaves no trace between records before and after it`, () => {
    const writer = new ByteWriter();
    writeRecord(writer, 1, Status.done, 1, 'before');
    const { length } = writer;
    assert.throws(() => writeRecord(writer, 2, Status.done, 1, value), error);
    assert.equal(writer.length, length);
    writeRecord(writer, 3, Status.thrown, 1, { value: 'after' });
    assert.deepEqual(
      read(writer.take()).map(({ id }) => id),
      [1, 3],
    );
  });
}

test('a value can be read long after its record was met, and more than once', () => {
  const writer = new ByteWriter();
  writeRecord(writer, 1, Status.done, 1, { list: [1, 2] });
  writeRecord(writer, 2, Status.done, 1, new Float64Array([1]));
  const later: (() => unknown)[] = [];
  forEachRecord(writer.take(), record => later.push(() => valueOfRecord(record)));
  for (let n = 0; n < 2; n++)
    assert.deepEqual(
      later.map(value => value()),
      [{ list: [1, 2] }, new Float64Array([1])],
    );
});
