import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskCall } from '../../dist/channel/tasks.js';
import { Dispatcher } from '../../dist/pool/dispatcher.js';
import { PoolTask } from '../../dist/pool/pool-task.js';
import { withResolvers } from '../../dist/promise.js';
import { startGroup } from '../helpers/group.ts';
import { within } from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';
import { call, methods, post } from '../helpers/rpc.ts';

test('S33 the totals of a group count each call, also those of workers that are gone, and only grow', async t => {
  const { group, addresses } = await startGroup(t, methods, { bind: '127.0.0.1:0', rpc_public: 'yes' });
  const url = `http://${addresses[0]}/`;
  await Promise.all(Array.from({ length: 20 }, (_, i) => call(url, 'echo', [i])));
  await call(url, 'fail', [{ code: 42 }]);
  await call(url, 'fail', [{}]);
  await Promise.all(Array.from({ length: 50 }, (_, i) => call(url, `no-${i}`)));
  await post(url, 'no JSON');
  await post(url, '[]');
  await post(url, '1', { 'Content-Type': 'image/png' });
  await post(url, JSON.stringify({ jsonrpc: '2.0', method: 'update' }));

  const [worker] = group.workers;
  await until('a heartbeat tells', () => rpcOf(group, 'update').ok === 1);
  const first = group.totals;
  assert.deepEqual(rpcOf(group, 'echo'), { ok: 20 });
  assert.deepEqual(rpcOf(group, 'fail'), { 42: 1, '-32000': 1 });
  assert.deepEqual(rpcOf(group, '(unknown)'), { '-32601': 50, '-32700': 1, '-32600': 2 });
  assert.deepEqual(first.tasks, { done: 21, failed: 2, 'timed-out': 0, cancelled: 0, lost: 0 });
  assert.equal(sum(first.runTime.counts), 23);
  assert.ok(first.accepted >= 1, `${first.accepted} connections`);

  process.kill(worker?.pid as number, 'SIGKILL');
  await until(
    'another one serves',
    () => group.workers[0]?.pid !== worker?.pid && group.workers[0]?.state === 'ready',
  );
  assert.deepEqual([group.totals.exits.killed, group.totals.restarts], [1, 1]);
  assert.deepEqual(group.totals.tasks, first.tasks, 'what the first one has counted stays');
  await call(url, 'echo', [1]);

  group.stop();
  await until('the group has stopped', () => group.state === 'stopped');
  assert.deepEqual(rpcOf(group, 'echo'), { ok: 21 }, 'the last heartbeat comes before the exit');
  assert.ok(group.totals.accepted > first.accepted);
  assert.deepEqual([group.totals.exits.killed, group.totals.exits.drained], [1, 1]);
});

test('S33 tasks of the channel: each one that a drained worker has run is counted, whatever became of it', async t => {
  const dispatcher = new Dispatcher({ onTimes: () => {}, onRetry: () => {} });
  const source = `
export const tiny = n => n + 1;
export const fail = () => { throw new Error('no'); };
export const loop = () => { for (;;); };
export const exit = () => process.exit(1);
export async function* items() { yield 1; await new Promise(resolve => setTimeout(resolve, 100)); yield 2; }`;
  const keys = { threads: 2, abort_grace: '50ms' };
  const { group } = await startGroup(t, source, keys, worker => dispatcher.attach(worker));
  let open = 0;
  const submit = (name: string, rest: Partial<TaskCall> = {}, onItem = () => {}) => {
    const { promise, resolve } = withResolvers<void>();
    open++;
    const outcome = { resolve: () => resolve(), reject: () => resolve(), item: onItem };
    const observer = { onSettled: () => void open-- };
    const limits = { priority: 0, retries: 0, queueTimeout: 0 };
    const call = { name, kind: 'run', timeout: 0, attempt: 1, ...rest } as const;
    dispatcher.submit(new PoolTask(++lastId, call, 1, outcome, observer, limits));
    return promise;
  };
  let lastId = 0;
  // First, as it is lost where a thread of it ends.
  await within(20_000, 'the broadcast has settled', submit('tiny', { kind: 'broadcast' }));
  const tiny = Array.from({ length: 2000 }, () => submit('tiny'));
  const others = [submit('fail'), submit('nothing'), submit('loop', { timeout: 30 }), submit('exit')];
  await within(20_000, 'all have settled', Promise.all([...tiny, ...others]));
  assert.equal(open, 0);
  const begun = withResolvers<void>();
  const last = submit('items', { kind: 'stream', window: 2 }, begun.resolve);
  await within(20_000, 'a task has begun that goes on while its worker drains', begun.promise);
  group.stop();
  await within(20_000, 'it has ended', last);
  await until('the group has stopped', () => group.state === 'stopped');
  const { tasks, runTime } = group.totals;
  assert.deepEqual(tasks, { done: 2002, failed: 2, 'timed-out': 1, cancelled: 0, lost: 1 });
  assert.equal(sum(runTime.counts), 2006);
});

test('a heartbeat says how busy the process and its main thread are', async t => {
  const source = `
import { SyncWorker } from 'processhandler';
export default class extends SyncWorker {
  handleRequest() { for (const end = performance.now() + 150; performance.now() < end; ); return this.sleep(5); }
}`;
  const { group } = await startGroup(t, source);
  const load = () => group.workers[0]?.heartbeat?.statistics;
  const isKnown = () => (load()?.eventLoop.delay ?? 0) > 50 && (load()?.cpu.percent ?? 0) > 0;
  await until('it is known', isKnown, 20_000);
  const { cpu, eventLoop } = load() as NonNullable<ReturnType<typeof load>>;
  assert.ok(eventLoop.utilization > 0.5 && eventLoop.utilization <= 1, `${eventLoop.utilization}`);
  assert.ok(cpu.total > 0 && cpu.percent > 1, `${cpu.percent} %`);
});

type Group = Awaited<ReturnType<typeof startGroup>>['group'];

function rpcOf({ totals }: Group, method: string): Record<string, number> {
  return Object.fromEntries(totals.rpc.filter(count => count.method === method).map(c => [c.code, c.count]));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
