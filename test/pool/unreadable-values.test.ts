/** Values that a thread can send and this thread, whose stack is smaller, cannot read: they fail their own task. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, listOf, startPool, within } from '../helpers/pool.ts';

const nested = `
const nested = depth => { let list = []; for (let n = 0; n < depth; n++) list = [list]; return list; };
export const result = depth => nested(depth);
export const thrown = depth => { throw Object.assign(new RangeError('mine'), { list: nested(depth) }); };
export async function* items(depth) { yield 1; yield nested(depth); }
`;

/** More than a main thread can read, less than what another thread can write. */
const depth = 5000;

test('a result', async t => {
  const { pool } = await startPool(t, nested);
  await errorOf(pool.run(depth, { name: 'result' }));
  assert.equal(await pool.run('next'), 'next');
});

test('an item of a stream', async t => {
  const { pool } = await startPool(t, nested);
  await errorOf(listOf(pool.stream(depth, { name: 'items' })));
  assert.equal(await within(10_000, 'the next task is done', pool.run('next')), 'next');
});

test('a property of an error', async t => {
  const { pool } = await startPool(t, nested);
  await errorOf(pool.run(depth, { name: 'thrown' }));
  assert.equal(await within(10_000, 'the next task is done', pool.run('next')), 'next');
});

test('a result of a broadcast', async t => {
  const { pool } = await startPool(t, nested);
  await errorOf(pool.broadcast(depth, { name: 'result' }));
  assert.equal(await within(10_000, 'the next task is done', pool.run('next')), 'next');
});
