import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Heartbeat } from '../../src/channel/control.ts';
import type { WorkerStatus } from '../../src/control/protocol.ts';
import { exposition } from '../../src/metrics/exposition.ts';
import { type MeasuredGroup, snapshotOf } from '../../src/metrics/snapshot.ts';
import { Metrics } from '../helpers/metrics.ts';
import { groupOf, heartbeatOf, noTimes, sectionOf, statusWith, workerOf } from './support.ts';

const heard = ({ pid, state }: WorkerStatus, of: Partial<Heartbeat> = {}) => ({
  pid: pid ?? undefined,
  state,
  heartbeat: heartbeatOf(of),
});

async function expose(processes: WorkerStatus[], group: Partial<MeasuredGroup> = {}, name = 'app') {
  const status = statusWith([sectionOf(name, { processes })]);
  const reloads = { done: 2, failed: 1, 'given-up': 0 };
  const snapshot = snapshotOf(status, [groupOf(name, group)], reloads, { user: 1_000_000, system: 500_000 });
  return Metrics.of(await exposition(snapshot));
}

test('a histogram has each bucket with all below it, in seconds, and ends with all', async () => {
  const counts = noTimes.counts.map((_, at) => (at === 0 ? 2 : at === 4 ? 3 : at === 15 ? 1 : 0));
  const { totals } = groupOf('app');
  const metrics = await expose([], { totals: { ...totals, runTime: { counts, sum: 61_234 } } });
  const run = metrics.histogram('ph_section_task_run_seconds');
  assert.deepEqual(run, {
    labels: { section: 'app' },
    buckets: {
      '0.001': 2,
      '0.0025': 2,
      '0.005': 2,
      '0.01': 2,
      '0.025': 5,
      '0.05': 5,
      '0.1': 5,
      '0.25': 5,
      '0.5': 5,
      '1': 5,
      '2.5': 5,
      '5': 5,
      '10': 5,
      '30': 5,
      '60': 5,
      '+Inf': 6,
    },
    sum: 61.234,
    count: 6,
  });
});

test('times are seconds, and what a worker has not said yet has no series', async () => {
  const [ready, starting] = [workerOf(1), workerOf(2, { state: 'starting', rss: 0 })];
  const metrics = await expose([ready, starting], { workers: [heard(ready)] });
  const worker = { worker: '1' };
  assert.equal(metrics.value('ph_supervisor_start_time_seconds'), 1767323045);
  assert.equal(metrics.value('ph_supervisor_cpu_seconds_total'), 1.5);
  assert.equal(metrics.value('ph_supervisor_event_loop_delay_seconds'), 0.012);
  assert.equal(metrics.value('ph_supervisor_reloads_total', { outcome: 'failed' }), 1);
  assert.equal(metrics.value('ph_worker_cpu_seconds_total', worker), 2.5);
  assert.equal(metrics.value('ph_worker_event_loop_delay_seconds', worker), 0.02);
  assert.equal(metrics.value('ph_worker_tasks_total', { ...worker, outcome: 'done' }), 7);
  assert.deepEqual(metrics.labels('ph_worker_ready', 'worker'), ['1', '2']);
  for (const name of ['cpu_seconds_total', 'tasks_total', 'resident_memory_bytes', 'task_run_seconds']) {
    assert.deepEqual(metrics.labels(`ph_worker_${name}`, 'worker'), ['1'], name);
  }
});

test('of two processes in one place, the one that serves has the series; a place without a process has none', async () => {
  const old = workerOf(1, { pid: 11, state: 'draining', uptime: 60_000 });
  const young = workerOf(1, { pid: 12, state: 'ready', uptime: 2000 });
  const gone = workerOf(2, { pid: null, state: 'exited' });
  for (const processes of [
    [old, young, gone],
    [gone, young, old],
  ]) {
    const metrics = await expose(processes);
    assert.deepEqual(metrics.labels('ph_worker_uptime_seconds', 'worker'), ['1']);
    assert.equal(metrics.value('ph_worker_uptime_seconds'), 2);
    assert.equal(metrics.value('ph_section_workers', { state: 'draining' }), 1);
  }
});

test('a state is 1 among those that are 0', async () => {
  const metrics = await expose([]);
  assert.equal(metrics.value('ph_section_state', { state: 'running' }), 1);
  assert.equal(metrics.value('ph_section_state', { state: 'failed' }), 0);
  assert.equal(metrics.values('ph_section_state').length, 7);
});

test('names of sections and methods may hold anything', async () => {
  const { totals } = groupOf('app');
  const name = 'a "b" \\ c{d="e"},';
  const rpc = [{ method: 'x\n"y"', code: '-32601', count: 4 }];
  const metrics = await expose([], { totals: { ...totals, rpc } }, name);
  assert.equal(metrics.value('ph_section_generation', { section: name }), 1);
  assert.equal(metrics.value('ph_section_rpc_calls_total', { method: 'x\n"y"', code: '-32601' }), 4);
});

test('of a section that was stopped by itself only the state is left', async () => {
  const status = statusWith([sectionOf('app', { state: 'stopped' })]);
  const snapshot = snapshotOf(status, [], { done: 0, failed: 0, 'given-up': 0 });
  const metrics = await Metrics.of(await exposition(snapshot));
  assert.equal(metrics.value('ph_section_state', { state: 'stopped' }), 1);
  assert.deepEqual(metrics.values('ph_section_tasks_total'), []);
});

test('whether workers take jobs from their queue', async () => {
  const [one, two] = [workerOf(1), workerOf(2)];
  const metrics = await expose([one, two], {
    workers: [heard(one, { queue: { connected: true } }), heard(two, { queue: { connected: false } })],
  });
  assert.deepEqual(metrics.values('ph_worker_queue_connected'), [1, 0]);
});
