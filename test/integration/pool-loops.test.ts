import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PoolClosedError, TaskTimeoutError, WorkerCrashError } from 'processhandler';
import { startCaller } from '../helpers/caller.ts';
import {
  assertFullStrength,
  createGate,
  errorOf,
  holdThreads,
  outcomeOf,
  type PoolUnderTest,
  pidsOf,
  startPool,
  untilBegun,
  within,
} from '../helpers/pool.ts';
import { isAlive, until } from '../helpers/processes.ts';

/** Each never ends in its own way, and says when it has begun. */
const tasks = `
export const spins = file => { writeFileSync(file, ''); for (;;); };
export const waits = file => { writeFileSync(file, ''); return new Promise(() => {}); };
export const ticks = async file => { writeFileSync(file, ''); for (;;) await null; };
export async function* yields(file) { writeFileSync(file, ''); for (;;) yield 1; }
export async function* stalls(file) { yield 1; writeFileSync(file, ''); await new Promise(() => {}); }
export async function* hangs(file) { yield 1; writeFileSync(file, ''); for (;;); }
export const catches = file => { writeFileSync(file, ''); for (;;) try { for (;;); } catch {} };
/** Looks at its signal now and then, as a task should that never awaits. */
export const heeds = (file, context) => { writeFileSync(file, ''); while (!context.signal.aborted); throw new Error('heard'); };
`;
const endless = ['spins', 'waits', 'ticks', 'catches', 'yields', 'stalls', 'hangs', 'heeds'] as const;
const streams: readonly string[] = ['yields', 'stalls', 'hangs'];

const fast = { abortGrace: 100, threads: 2 };

/** Calls it as what it is; resolves when it has ended. */
function call(
  { pool }: PoolUnderTest,
  name: string,
  file: string,
  options: { signal?: AbortSignal; timeout?: number } = {},
): Promise<unknown> {
  if (!streams.includes(name)) return pool.run(file, { name, ...options });
  return (async () => {
    for await (const _ of pool.stream(file, { name, ...options }));
  })();
}

test('S42 a time limit ends whatever never ends, and its thread at the most', async t => {
  const under = await startPool(t, tasks, fast);
  for (const name of endless) {
    await t.test(`S42 time limit: ${name}`, { timeout: 20_000 }, async () => {
      const gate = createGate(under);
      const others = await holdThreads(under, 1, gate);
      const error = await errorOf(call(under, name, under.project.path(name), { timeout: 50 }));
      assert.ok(error instanceof TaskTimeoutError, `${error.stack}`);
      assert.equal(error.code, 'PH_ERR_TASK_TIMEOUT');
      gate.open();
      assert.deepEqual(await Promise.all(others.map(({ end }) => end)), [{ value: 'unharmed' }]);
      await assertFullStrength(under, 1, 2);
    });
  }
  assert.equal(under.pids.size, 1, 'never more than a thread');
});

test('S42 an abort ends whatever never ends, and its thread at the most', async t => {
  const under = await startPool(t, tasks, fast);
  for (const name of endless) {
    await t.test(`S42 abort: ${name}`, { timeout: 20_000 }, async () => {
      const gate = createGate(under);
      const others = await holdThreads(under, 1, gate);
      const file = under.project.path(`aborted-${name}`);
      const controller = new AbortController();
      const ended = errorOf(call(under, name, file, { signal: controller.signal }));
      await untilBegun(file);
      const reason = new Error('no longer wanted');
      controller.abort(reason);
      const error = await ended;
      assert.equal(error.name, 'AbortError');
      assert.equal(error.code, 'PH_ERR_ABORTED');
      assert.equal(error.cause, reason);
      gate.open();
      assert.deepEqual(await Promise.all(others.map(({ end }) => end)), [{ value: 'unharmed' }]);
      await assertFullStrength(under, 1, 2);
    });
  }
  assert.equal(under.pids.size, 1, 'never more than a thread');
});

test('S42 close() ends whatever never ends after gracefulTimeout, and says so to whoever waits', async t => {
  const under = await startPool(t, tasks, { threads: endless.length, gracefulTimeout: 200 });
  const outcomes = endless.map(name => outcomeOf(call(under, name, under.project.path(name))));
  await Promise.all(endless.map(name => untilBegun(under.project.path(name))));
  const waiting = Array.from({ length: 20 }, () => outcomeOf(under.pool.run(1)));
  await within(10_000, 'the pool is closed', under.pool.close());
  for (const { error } of await Promise.all([...outcomes, ...waiting])) {
    assert.ok(error instanceof PoolClosedError, `${error?.stack}`);
    assert.match(error.message, /gracefulTimeout/);
  }
  assert.deepEqual([...under.pids].filter(isAlive), []);
});

test('S42 destroy() ends whatever never ends at once', async t => {
  const under = await startPool(t, tasks, { threads: endless.length, gracefulTimeout: 60_000 });
  const outcomes = endless.map(name => outcomeOf(call(under, name, under.project.path(name))));
  await Promise.all(endless.map(name => untilBegun(under.project.path(name))));
  const waiting = Array.from({ length: 20 }, () => outcomeOf(under.pool.run(1)));
  await within(5000, 'the pool is destroyed', under.pool.destroy());
  for (const { error } of await Promise.all([...outcomes, ...waiting])) {
    assert.ok(error instanceof PoolClosedError, `${error?.stack}`);
    assert.match(error.message, /destroyed/);
  }
  assert.deepEqual([...under.pids].filter(isAlive), []);
});

test('S42 when the caller is killed, its workers are gone within 2 s, whatever they do', async t => {
  const source = `
const pool = await createPool({ threads: ${endless.length} });
const streams = ${JSON.stringify(streams)};
for (const name of ${JSON.stringify(endless)}) {
  if (streams.includes(name)) (async () => { for await (const _ of pool.stream(name, { name })); })();
  else pool.run(name, { name });
}
const { existsSync } = await import('node:fs');
while (!${JSON.stringify(endless)}.every(name => existsSync(name))) await delay(5);
say('busy');`;
  const caller = startCaller(t, source, tasks);
  await caller.said('busy');
  assert.equal(caller.workers.length, 1);
  assert.deepEqual(caller.workers.filter(isAlive), caller.workers);
  caller.kill('SIGKILL');
  // 2 s of their own, and something for a machine that is busy.
  await until('the workers are gone', () => !caller.workers.some(isAlive), 4000);
});

test('S42 a task that nobody waits for does not run on in a process that is being replaced', async t => {
  const under = await startPool(t, tasks, { ...fast, maxTasksPerProcess: 3, gracefulTimeout: 20_000 });
  const { pool, project } = under;
  const [pid] = pidsOf(pool) as [number];
  const controller = new AbortController();
  const file = project.path('begun');
  const ended = errorOf(call(under, 'spins', file, { signal: controller.signal }));
  await untilBegun(file);
  await Promise.all(Array.from({ length: 5 }, () => pool.run(1)));
  const isLeaving = () =>
    pool.stats.processes.some(process => process.pid === pid && process.state === 'draining');
  await until('the process is being replaced', isLeaving);
  controller.abort();
  assert.equal((await ended).name, 'AbortError');
  await until('the process has ended', () => !isAlive(pid), 5000);
});

test('S42 a process that stands still is ended after heartbeatTimeout, and costs what it had been sent', async t => {
  const under = await startPool(t, tasks, { processes: 2, heartbeatTimeout: 500 });
  const gate = createGate(under);
  const holders = await holdThreads(under, 2, gate);
  const [still, other] = holders as [(typeof holders)[0], (typeof holders)[0]];
  process.kill(still.place.pid, 'SIGSTOP');
  const { error } = await within(15_000, 'its task is given up', still.end);
  assert.ok(error instanceof WorkerCrashError, `${error?.stack}`);
  assert.equal(error.pid, still.place.pid);
  assert.match(error.reason, /silent/);
  gate.open();
  assert.equal((await other.end).value, 'unharmed');
  await assertFullStrength(under, 2, 1);
});
