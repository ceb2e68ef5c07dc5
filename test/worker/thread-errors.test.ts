/** Whatever a task throws or returns, its own caller is told, and no other task is harmed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChannel } from './batches.ts';

const cases: Record<string, string> = {
  'a property that only threads of one process can share': `
    throw Object.assign(new RangeError('mine'), { memory: new SharedArrayBuffer(8) });`,
  'a property that is a Blob': `
    throw Object.assign(new RangeError('mine'), { body: new Blob(['x']) });`,
  'a getter that throws': `
    throw Object.defineProperty(new RangeError('mine'), 'odd', { enumerable: true, get() { throw new Error('no'); } });`,
  'a stack that is no text': `
    throw Object.assign(new RangeError('mine'), { stack: [1, 2] });`,
  'a name that is a symbol': `
    throw Object.assign(new RangeError('mine'), { name: Symbol('odd') });`,
  'a class without a name': `
    throw new (class extends RangeError {})('mine');`,
  'a cause that cannot be cloned': `
    throw new RangeError('mine', { cause: () => {} });`,
  'itself among its errors': `
    const error = Object.assign(new RangeError('mine'), { self: null });
    error.self = error;
    throw error;`,
};

for (const [what, code] of Object.entries(cases)) {
  test(`an error with ${what} arrives as that error, and the tasks around it as they are`, async t => {
    const channel = await startChannel(t, `export const odd = () => {${code}};`);
    const ids = channel.submit({ payload: 'before' }, { name: 'odd' }, { payload: 'after' });
    const [before, odd, after] = await channel.all(ids);
    assert.deepEqual([before?.value, after?.value], ['before', 'after']);
    assert.equal(odd?.status, 'thrown');
    const error = odd.value as Error;
    assert.ok(error instanceof RangeError, `is a RangeError: ${error}`);
    assert.equal(error.message, 'mine');
    assert.equal((await channel.run('where')).status, 'done');
  });
}

for (const [what, code] of [
  ['a function', 'return () => {}'],
  ['a symbol', 'return Symbol("x")'],
  ['memory that threads share', 'return { memory: new SharedArrayBuffer(8) }'],
  ['an object whose getter throws', 'return { get x() { throw new RangeError("mine"); } }'],
  ['a thenable whose then throws', 'return { get then() { throw new RangeError("mine"); } }'],
] as const) {
  test(`a task that returns ${what} is rejected, and the tasks around it arrive`, async t => {
    const channel = await startChannel(t, `export const odd = () => {${code}};`);
    const [before, odd, after] = await channel.all(
      channel.submit({ payload: 'before' }, { name: 'odd' }, { payload: 'after' }),
    );
    assert.deepEqual([before?.value, after?.value], ['before', 'after']);
    assert.equal(odd?.status, 'thrown');
  });
}

test('a task that returns a thenable is awaited', async t => {
  const channel = await startChannel(
    t,
    `export const later = () => ({ then: resolve => setTimeout(resolve, 1, 'there') });`,
  );
  assert.equal((await channel.run('later')).value, 'there');
});

test('a value that was marked with move() arrives as the value', async t => {
  const channel = await startChannel(
    t,
    `const marked = value => ({ [Symbol.for('Piscina.transferable')]: true, [Symbol.for('Piscina.valueOf')]: value });
     export const moved = n => marked(new Float64Array(n).fill(1.5));
     export async function* many(n) { for (let i = 1; i <= n; i++) yield marked(new Uint8Array(i)); }`,
  );
  assert.deepEqual((await channel.run('moved', 3)).value, new Float64Array([1.5, 1.5, 1.5]));
  const [id] = channel.submit({ name: 'many', payload: 3, kind: 'stream', window: 10 }) as [number];
  await channel.final(id);
  assert.deepEqual(channel.items(id), [new Uint8Array(1), new Uint8Array(2), new Uint8Array(3)]);
});
