import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { startCaller } from '../helpers/caller.ts';
import { createGate, holdThreads, outcomeOf, startPool, tally, within } from '../helpers/pool.ts';

/** Warnings of this process while `action` runs. */
async function warningsOf(action: () => Promise<void>): Promise<string[]> {
  const warnings: string[] = [];
  const note = (warning: Error) => warnings.push(String(warning));
  process.on('warning', note);
  await action();
  // They are emitted a tick later.
  await new Promise(setImmediate);
  process.off('warning', note);
  return warnings;
}

test('100,000 tasks that are queued at once all have their own answer', async t => {
  const under = await startPool(t, 'export const twice = n => 2 * n;', { processes: 2 });
  const count = 100_000;
  const results = await within(
    40_000,
    'all are answered',
    Promise.all(Array.from({ length: count }, (_, n) => under.pool.run(n, { name: 'twice' }))),
  );
  assert.ok(results.every((result, n) => result === 2 * n));
  const { pending, completed, failed } = under.pool.stats;
  assert.deepEqual({ pending, completed, failed }, { pending: 0, completed: count, failed: 0 });
});

test('10,000 abort signals leave no listener behind, whatever became of their tasks', async t => {
  const under = await startPool(t, '', { processes: 2 });
  const warnings = await warningsOf(async () => {
    const controllers = Array.from({ length: 10_000 }, () => new AbortController());
    const outcomes = controllers.map(({ signal }, n) => outcomeOf(under.pool.run(n, { signal })));
    for (const [n, controller] of controllers.entries()) if (n % 2) controller.abort();
    const { ok = 0, AbortError: aborted = 0 } = tally(
      await within(30_000, 'all settle', Promise.all(outcomes)),
    );
    assert.equal(ok + aborted, controllers.length);
    assert.ok(aborted >= 4000, `${aborted} were aborted before they ran`);
    for (const { signal } of controllers) assert.equal(getEventListeners(signal, 'abort').length, 0);
  });
  assert.deepEqual(warnings, []);
  assert.equal(under.pool.stats.pending, 0);
});

test('10,000 tasks that share a signal make one listener, and end by one abort', async t => {
  const under = await startPool(t, '', { processes: 2 });
  const warnings = await warningsOf(async () => {
    const { signal } = new AbortController();
    for (let n = 0; n < 100; n++) await under.pool.run(n, { signal });
    assert.equal(getEventListeners(signal, 'abort').length, 0);

    const controller = new AbortController();
    const gate = createGate(under);
    const holders = await holdThreads(under, 2, gate);
    const outcomes = Array.from({ length: 10_000 }, (_, n) =>
      outcomeOf(under.pool.run(n, { signal: controller.signal })),
    );
    assert.equal(getEventListeners(controller.signal, 'abort').length, 1);
    controller.abort();
    assert.deepEqual(tally(await Promise.all(outcomes)), { AbortError: 10_000 });
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    gate.open();
    await Promise.all(holders.map(({ end }) => end));
  });
  assert.deepEqual(warnings, []);
});

test('a pool that is made and closed again and again leaves nothing behind in its program', async t => {
  const caller = startCaller(
    t,
    `
const state = () => {
  globalThis.gc();
  return {
    files: readdirSync('/proc/self/fd').length,
    children: workers().length,
    resources: process.getActiveResourcesInfo().filter(name => name !== 'Timeout').length,
    timers: process.getActiveResourcesInfo().filter(name => name === 'Timeout').length,
    listeners: [process, process.stdout, process.stderr].flatMap(emitter => emitter.eventNames().map(name => emitter.listenerCount(name))).reduce((sum, count) => sum + count, 0),
    heap: process.memoryUsage().heapUsed,
  };
};
const { setFlagsFromString } = await import('node:v8');
const { runInNewContext } = await import('node:vm');
setFlagsFromString('--expose-gc');
globalThis.gc = runInNewContext('gc');
const use = async round => {
  const pool = await createPool();
  const controller = new AbortController();
  const tasks = Array.from({ length: 50 }, (_, n) => pool.run(n, { signal: controller.signal, queueTimeout: 20000 }));
  for await (const _ of pool.map([1, 2, 3], { name: 'default' })) break;
  await Promise.all(tasks);
  if (round % 10 === 9) await pool.run('SIGKILL', { name: 'die' }).catch(() => {});
  await (round % 5 === 4 ? pool.destroy() : pool.close());
};
for (let round = 0; round < 5; round++) await use(round);
await delay(50);
const before = state();
for (let round = 0; round < 20; round++) await use(round);
await delay(50);
say('states', { before, after: state() });`,
  );
  const { before, after } = (await caller.said('states', 50_000)) as Record<
    'before' | 'after',
    Record<string, number>
  >;
  const { heap: heapBefore, ...others } = before;
  const { heap: heapAfter, ...othersAfter } = after;
  // Something may have been on its way out at the first look.
  for (const [what, count] of Object.entries(othersAfter)) {
    assert.ok(count <= (others[what] as number), `${what}: ${others[what]} → ${count}`);
  }
  assert.equal(othersAfter.children, 0);
  // A pool that stayed would hold some 100 kB.
  assert.ok(
    (heapAfter as number) - (heapBefore as number) < 2 * 2 ** 20,
    `${heapBefore} → ${heapAfter} bytes`,
  );
  assert.equal((await caller.gone()).code, 0);
  assert.deepEqual(caller.troubles, []);
});
