/** A native module, built for Node by others, in the threads of a pool. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Place, startPool } from '../helpers/pool.ts';

// Found from here: the task module is in a directory of its own.
const addon = pathToFileURL(fileURLToPath(import.meta.resolve('@node-rs/bcrypt'))).href;

const tasks = `
import { createRequire } from 'node:module';
import bcrypt from ${JSON.stringify(addon)};

const isNative = Object.keys(createRequire(import.meta.url).cache).some(path => path.endsWith('.node'));
const place = () => ({ pid: process.pid, threadId });
/** On the thread itself. */
export const verify = ({ password, hash }) => ({ ...place(), isNative, isValid: bcrypt.verifySync(password, hash) });
/** In the addon's own threads, while the thread goes on. */
export const hash = async ({ password, cost }) => ({ ...place(), hash: await bcrypt.hash(password, cost) });
export const refuse = () => bcrypt.hashSync('x', 99);
`;

/** Published vectors of bcrypt. */
const vectors = [
  ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'],
  ['U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'],
  ['', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy'],
] as const;

interface Verified extends Place {
  readonly isNative: boolean;
  readonly isValid: boolean;
}

const processes = 2;
const threads = 2;

function distinct(places: readonly Place[]): { pids: number; threads: number } {
  return {
    pids: new Set(places.map(({ pid }) => pid)).size,
    threads: new Set(places.map(({ pid, threadId }) => `${pid} ${threadId}`)).size,
  };
}

test('an addon computes the same on every thread of every process', async t => {
  const { pool } = await startPool(t, tasks, { processes, threads });
  for (const [password, hash] of vectors) {
    for (const [given, isValid] of [
      [password, true],
      [`${password}!`, false],
    ] as const) {
      const answers = (await pool.broadcast({ password: given, hash }, { name: 'verify' })) as Verified[];
      assert.deepEqual(distinct(answers), { pids: processes, threads: processes * threads });
      for (const answer of answers) assert.deepEqual([answer.isNative, answer.isValid], [true, isValid]);
    }
  }
});

test('an addon works on several threads of two processes at a time', async t => {
  const { pool } = await startPool(t, tasks, { processes, threads });
  const calls = Array.from({ length: 200 }, (_, n) => {
    const [password, hash] = vectors[n % vectors.length] as (typeof vectors)[number];
    return { password: n % 3 ? password : `wrong ${password}`, hash };
  });
  const answers = (await Promise.all(calls.map(call => pool.run(call, { name: 'verify' })))) as Verified[];
  assert.deepEqual(
    answers.map(({ isValid }) => isValid),
    calls.map((_, n) => n % 3 !== 0),
  );
  assert.deepEqual(distinct(answers), { pids: processes, threads: processes * threads });
});

test('what an addon does in threads of its own is awaited, on all threads at a time', async t => {
  const { pool } = await startPool(t, tasks, { processes, threads });
  const made = (await Promise.all(
    Array.from({ length: 24 }, (_, n) => pool.run({ password: `secret ${n}`, cost: 6 }, { name: 'hash' })),
  )) as (Place & { hash: string })[];
  assert.equal(new Set(made.map(({ hash }) => hash)).size, 24);
  const checks = made.map(({ hash }, n) => pool.run({ password: `secret ${n}`, hash }, { name: 'verify' }));
  for (const { isValid } of (await Promise.all(checks)) as Verified[]) assert.equal(isValid, true);
});

test('an error of an addon is that of its task, and its thread goes on', async t => {
  const { pool } = await startPool(t, tasks, { processes, threads: 1 });
  const before = (await pool.broadcast(undefined, { name: 'where' })) as Place[];
  await assert.rejects(pool.run(undefined, { name: 'refuse' }), /Cost needs to be between/);
  const after = (await pool.broadcast(undefined, { name: 'where' })) as Place[];
  assert.deepEqual(
    new Set(after.map(({ pid, threadId }) => `${pid} ${threadId}`)),
    new Set(before.map(({ pid, threadId }) => `${pid} ${threadId}`)),
  );
});

test('a thread that ends in the middle of an addon takes no other with it, and the addon loads again', async t => {
  const { pool } = await startPool(t, tasks, { processes, threads, abortGrace: 10 });
  for (let round = 0; round < 3; round++) {
    const slow = pool.run({ password: 'x', cost: 12 }, { name: 'hash', timeout: 20 });
    const [password, hash] = vectors[0];
    const others = Array.from({ length: 20 }, () => pool.run({ password, hash }, { name: 'verify' }));
    await assert.rejects(slow, { code: 'PH_ERR_TASK_TIMEOUT' });
    for (const { isValid } of (await Promise.all(others)) as Verified[]) assert.equal(isValid, true);
  }
  assert.equal(pool.stats.crashes, 0);
});
