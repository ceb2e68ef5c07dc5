/** What comes of a stream, and how much more of it is asked for. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { StreamReader } from '../../src/pool/stream-reader.ts';

const failure = { error: new RangeError('no') };

async function listOf(reader: StreamReader): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const item of reader.read()) list.push(item);
  return list;
}

test('items that came before they were read come in their order, then the end', async () => {
  const reader = new StreamReader(16, () => {});
  for (const item of [1, undefined, 'three']) reader.item(item);
  reader.resolve();
  assert.deepEqual(await listOf(reader), [1, undefined, 'three']);
});

test('a reader that waits gets each item as it comes', async () => {
  const reader = new StreamReader(16, () => {});
  const items = reader.read();
  for (let n = 0; n < 50; n++) {
    const next = items.next();
    if (n % 2) await nextTurn();
    reader.item(n);
    assert.deepEqual(await next, { value: n, done: false });
  }
  const last = items.next();
  reader.resolve();
  assert.deepEqual(await last, { value: undefined, done: true });
});

test('items that come in one turn, and between turns, are all there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(4)), async portions => {
      const reader = new StreamReader(16, () => {});
      const all = listOf(reader);
      let n = 0;
      for (const size of portions) {
        for (let i = 0; i < size; i++) reader.item(n++);
        if (size % 2) await null;
        else await nextTurn();
      }
      reader.resolve();
      assert.deepEqual(await all, [...Array(n).keys()]);
    }),
    { numRuns: 50 },
  );
});

test('a failure comes after the items that came before it', async () => {
  const reader = new StreamReader(16, () => {});
  const items = reader.read();
  reader.item(1);
  reader.item(2);
  reader.reject(failure);
  assert.equal((await items.next()).value, 1);
  assert.equal((await items.next()).value, 2);
  await assert.rejects(items.next(), thrown => thrown === failure);
  assert.equal((await items.next()).done, true);
});

test('a failure wakes a reader that waits', async () => {
  const reader = new StreamReader(16, () => {});
  const next = reader.read().next();
  await nextTurn();
  reader.reject(failure);
  await assert.rejects(next, thrown => thrown === failure);
});

test('it is over once its end has come, not when it was read', async () => {
  for (const end of ['resolve', 'reject'] as const) {
    const reader = new StreamReader(16, () => {});
    reader.item(1);
    assert.equal(reader.isOver, false);
    if (end === 'resolve') reader.resolve();
    else reader.reject(failure);
    assert.equal(reader.isOver, true);
  }
});

for (const window of [1, 2, 3, 16, 1000]) {
  test(`with a window of ${window} no more than that is ever on its way, and its sender never has to wait for ever`, async () => {
    let credit = window;
    let asked = 0;
    let sent = 0;
    const send = () => {
      while (credit > 0) {
        reader.item(sent++);
        credit--;
      }
    };
    const reader = new StreamReader(window, items => {
      credit += items;
      asked++;
      send();
    });
    send();
    const items = reader.read();
    for (let read = 0; read < 5 * window; read++) {
      assert.equal((await items.next()).value, read);
      assert.equal(sent - read <= window, true, `${sent} sent, ${read} read`);
    }
    // In portions of half a window at least.
    assert.equal(asked <= 11, true, String(asked));
  });
}

test('nothing is asked for before an item was taken', async () => {
  let asked = 0;
  const reader = new StreamReader(1, () => asked++);
  const items = reader.read();
  reader.item(1);
  await nextTurn();
  assert.equal(asked, 0);
  await items.next();
  assert.equal(asked, 0);
  const next = items.next();
  await nextTurn();
  assert.equal(asked, 1);
  reader.resolve();
  await next;
});
