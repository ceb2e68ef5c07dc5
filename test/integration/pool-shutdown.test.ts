import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { startCaller } from '../helpers/caller.ts';
import { createProject } from '../helpers/project.ts';

const tasks = `
export async function* count(to) { for (let n = 0; n < to; n++) yield n; }
export const busy = ms => { const end = performance.now() + ms; while (performance.now() < end); return ms; };
export const deepError = depth => { let value = 0; while (depth--) value = { value }; throw Object.assign(new RangeError('mine'), { value }); };
export async function* deepItem(depth) { yield 1; let value = 0; while (depth--) value = { value }; yield value; }
`;

/** What every script begins with. */
const start = `
const tally = {};
const note = what => { tally[what] = (tally[what] ?? 0) + 1; };
const noteOutcome = promise => promise.then(() => note('ok'), error => note(error?.name ?? String(error)));
const read = async stream => { for await (const _ of stream); };
/** All that a pool can be asked for, at once. */
const everything = pool => [
  ...Array.from({ length: 20 }, (_, n) => pool.run(n)),
  pool.run(3, { name: 'busy' }),
  pool.run(30, { name: 'nap' }),
  pool.run(0, { name: 'loop', timeout: 20 }),
  pool.run(() => {}),
  pool.run(0, { name: 'missing' }),
  pool.run(0, { signal: AbortSignal.abort() }),
  pool.run(0, { name: 'nap', queueTimeout: 1 }),
  pool.run(Buffer.alloc(2 ** 20)),
  pool.run(0, { name: 'exit' }),
  read(pool.stream(50, { name: 'count' })),
  read(pool.map([1, 2, 3, () => {}], { name: 'default' })),
  pool.broadcast(0, { name: 'where' }),
].map(noteOutcome);
`;

/** Runs the script to its end; it has to leave nothing unhandled, and nothing behind. */
async function run(
  t: TestContext,
  source: string,
  expected: readonly string[] = [],
): Promise<Record<string, number>> {
  const caller = startCaller(t, `${start}\n${source}\nsay('tally', tally);`, tasks);
  const tally = (await caller.said('tally', 40_000)) as Record<string, number>;
  const { code, signal } = await caller.gone();
  assert.deepEqual(
    { code, signal, output: code === 0 ? '' : caller.output },
    { code: 0, signal: null, output: '' },
  );
  const troubles = caller.troubles.filter(trouble => !expected.some(text => trouble.includes(text)));
  assert.deepEqual(troubles, [], 'nothing is unhandled, nothing warned of');
  return tally;
}

test('S45 close() in any moment of the start of tasks', async t => {
  const tally = await run(
    t,
    `
for (let round = 0; round < 6; round++) {
  const pool = await createPool({ abortGrace: 50 });
  const tasks = everything(pool);
  for (let turn = 0; turn < round; turn++) await (turn % 2 ? delay(1) : new Promise(setImmediate));
  const closing = pool.close();
  tasks.push(...everything(pool));
  await Promise.all([closing, ...tasks]);
  if (pool.stats.pending !== 0) note('still pending');
}`,
  );
  assert.equal(tally['still pending'], undefined);
  assert.ok((tally.ok as number) > 100);
  assert.ok((tally.PoolClosedError as number) >= 6 * 25, 'what came after close()');
});

test('S45 destroy() in any moment of everything', async t => {
  const tally = await run(
    t,
    `
for (let round = 0; round < 6; round++) {
  const pool = await createPool({ processes: 1 + round % 2, abortGrace: 50 });
  const tasks = everything(pool);
  for (let turn = 0; turn < round; turn++) await (turn % 2 ? delay(round) : new Promise(setImmediate));
  const destroyed = pool.destroy();
  tasks.push(...everything(pool));
  await Promise.all([destroyed, ...tasks]);
  if (pool.stats.pending !== 0 || pool.stats.processes.length > 0) note('something is left');
}`,
  );
  assert.equal(tally['something is left'], undefined);
  assert.ok((tally.PoolClosedError as number) >= 6 * 25);
});

test('S45 close() and destroy() again and again, in any order, all resolve', async t => {
  await run(
    t,
    `
for (const order of [['close', 'close'], ['close', 'destroy'], ['destroy', 'close'], ['destroy', 'destroy'], ['close', 'destroy', 'close']]) {
  const pool = await createPool();
  noteOutcome(pool.run(30, { name: 'nap' }));
  await Promise.all(order.map(how => pool[how]()));
  await Promise.all(order.map(how => pool[how]()));
  if (pool.stats.state !== 'closed') note('not closed');
}`,
  );
});

test('S45 workers are killed while the pool closes, or is destroyed', async t => {
  const tally = await run(
    t,
    `
for (const how of ['close', 'destroy', 'close']) {
  const pool = await createPool({ processes: 2, abortGrace: 50 });
  const tasks = everything(pool);
  await delay(5);
  const ended = pool[how]();
  for (const { pid } of pool.stats.processes) process.kill(pid, 'SIGKILL');
  await Promise.all([ended, ...tasks]);
  if (workers().length > 0) note('a worker is left');
}`,
  );
  assert.equal(tally['a worker is left'], undefined);
});

test('S45 a worker that is killed before it is ready fails the start, or is replaced', async t => {
  const tally = await run(
    t,
    `
const killNext = async () => {
  let pid;
  while (!(pid = workers()[0])) await delay(1);
  process.kill(pid, 'SIGKILL');
};
const alone = createPool();
await killNext();
await noteOutcome(alone);
const failing = await alone.catch(error => error);
say('code', failing.code);
const [pool] = await Promise.all([createPool({ processes: 2 }), killNext()]);
while (pool.stats.processes.filter(({ state }) => state === 'ready').length < 2) await delay(5);
await noteOutcome(pool.run(1));
await pool.close();`,
    // That one could not boot; nobody can listen before there is a pool.
    ['warning: BootError'],
  );
  assert.deepEqual(tally, { BootError: 1, ok: 1 });
});

test('S45 a worker dies while large payloads are written to it', async t => {
  const tally = await run(
    t,
    `
const pool = await createPool();
const payload = Buffer.alloc(16 * 2 ** 20);
for (let round = 0; round < 4; round++) {
  const [{ pid }] = pool.stats.processes.filter(({ state }) => state === 'ready');
  const before = round % 2 ? process.kill(pid, 'SIGKILL') : process.kill(pid, 'SIGSTOP');
  const task = noteOutcome(pool.run(payload));
  await new Promise(setImmediate);
  if (round % 2 === 0) process.kill(pid, 'SIGKILL');
  await task;
  while (!pool.stats.processes.some(process => process.state === 'ready' && process.pid !== pid)) await delay(5);
}
await noteOutcome(pool.run(payload));
await pool.close();`,
  );
  assert.deepEqual(tally, { WorkerCrashError: 4, ok: 1 });
});

test('S45 a module that does not load fails the start, and nothing stays behind', async t => {
  const tally = await run(
    t,
    `
const { writeFileSync } = await import('node:fs');
writeFileSync('broken.mjs', 'export const one = 1; throw new RangeError("cannot work");');
const pool = processhandler.createPool('broken.mjs', { processes: 2 });
const error = await pool.catch(error => error);
note(error.name);
if (/RangeError: cannot work/.test(error.details)) note('told');`,
  );
  assert.deepEqual(tally, { BootError: 1, told: 1 });
});

test('S45 a program that calls process.exit() in the middle of it all takes its workers along', async t => {
  const caller = startCaller(
    t,
    `${start}
const pool = await createPool({ processes: 2, threads: 2 });
for (let n = 0; n < 4; n++) noteOutcome(pool.run(0, { name: 'loop' }));
everything(pool);
await delay(20);
process.exit(7);`,
    tasks,
  );
  assert.equal((await caller.gone()).code, 7);
  assert.equal(caller.workers.length, 2);
  assert.deepEqual(caller.troubles, []);
});

for (const { what, task } of [
  { what: 'an error', task: `pool.run(6000, { name: 'deepError' })` },
  { what: 'an item of a stream', task: `read(pool.stream(6000, { name: 'deepItem' }))` },
]) {
  test(`S45 ${what} that is too deep for the caller's stack rejects its own task, and nothing is thrown elsewhere`, async t => {
    const tally = await run(
      t,
      `
const pool = await createPool();
const task = ${task}.catch(error => { if (!(error instanceof RangeError)) note('not a RangeError'); note('rejected'); });
const late = () => delay(2000).then(() => note('never settled'));
await Promise.race([task, late()]);
await Promise.race([noteOutcome(pool.run(1)), late()]);
await pool.destroy();`,
    );
    assert.deepEqual(tally, { rejected: 1, ok: 1 });
  });
}

test('S45 a listener that throws keeps no promise from being settled', async t => {
  const tally = await run(
    t,
    `
const pool = await createPool();
pool.on('task:error', () => { throw new Error('in a listener'); });
await Promise.race([noteOutcome(pool.run(0, { name: 'missing' })), delay(2000).then(() => note('never settled'))]);
await noteOutcome(pool.run(1));
await pool.destroy();`,
    ['in a listener'],
  );
  assert.deepEqual(tally, { UnknownTaskError: 1, ok: 1 });
});

test('where some processes cannot boot, the others serve, and the error says so', async t => {
  const source = `
import { existsSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
const mark = new URL('./second', import.meta.url);
if (isMainThread && process.title.endsWith('#2') && !existsSync(mark)) { writeFileSync(mark, ''); throw new TypeError('not yet'); }
export default n => n + 1;`;
  const project = createProject(t, { 'tasks.mjs': source });
  const program = `
import { createPool } from 'processhandler';
const warnings = [];
process.on('warning', warning => warnings.push(warning.message));
const pool = await createPool('tasks.mjs', { processes: 2, threads: 1 });
console.log(await pool.run(1));
await new Promise(setImmediate);
console.log(warnings.join());
await pool.close();`;
  project.write('program.mjs', program);
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: project.directory });
  assert.equal(stdout, '2\nsome workers could not boot: tasks\n');
});
