/** Every metric: name, type, labels, meaning, and where its values come from. Exposition and documentation follow. */

import type { RpcCount, TimeHistogram } from '../channel/statistics.ts';
import { SectionSchema, StatusSchema } from '../control/protocol.ts';
import type { MeasuredSection, MeasuredWorker, Snapshot } from './snapshot.ts';

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface Sample {
  readonly value: number | TimeHistogram;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Metric<Source> {
  readonly name: string;
  readonly type: MetricType;
  /** Beside those that say of what it is. */
  readonly labels: readonly string[];
  readonly help: string;
  /** Empty where nothing is known. */
  readonly read: (source: Source) => readonly Sample[];
}

/** Of which there is one series. */
function single<Source>(
  type: MetricType,
  name: string,
  help: string,
  find: (source: Source) => number | TimeHistogram | undefined,
): Metric<Source> {
  const read = (source: Source) => {
    const value = find(source);
    return value === undefined ? [] : [{ value }];
  };
  return { name, type, labels: [], help, read };
}

/** Of which there is a series for each value of a label. */
function split<Source>(
  type: MetricType,
  name: string,
  label: string,
  help: string,
  find: (source: Source) => Readonly<Record<string, number>> | undefined,
): Metric<Source> {
  const read = (source: Source) =>
    Object.entries(find(source) ?? {}).map(([key, value]) => ({ value, labels: { [label]: key } }));
  return { name, type, labels: [label], help, read };
}

/** 1 for what is, 0 for what could be: an alert sees then that it has ended. */
const oneOf = (states: readonly string[], state: string) =>
  Object.fromEntries(states.map(each => [each, each === state ? 1 : 0]));

const seconds = (ms: number) => ms / 1000;
const secondsOf = (ms: number | undefined) => (ms === undefined ? undefined : seconds(ms));

const byMethod = ({ method, code, count }: RpcCount): Sample => ({ value: count, labels: { method, code } });

const supervisorStates = StatusSchema.shape.supervisor.shape.state.options;
const sectionStates = SectionSchema.shape.state.options;
/** What a process of a section can be doing. */
const processStates = ['starting', 'ready', 'draining'] as const;

export const supervisorMetrics: readonly Metric<Snapshot>[] = [
  {
    name: 'ph_build_info',
    type: 'gauge',
    labels: ['version', 'node'],
    help: 'Always 1; the labels tell the versions of ph and of Node.',
    read: ({ status: { supervisor } }) => [
      { value: 1, labels: { version: supervisor.version, node: supervisor.node } },
    ],
  },
  split('gauge', 'ph_supervisor_state', 'state', '1 for the state that it is in, 0 for the others.', s =>
    oneOf(supervisorStates, s.status.supervisor.state),
  ),
  single('gauge', 'ph_supervisor_start_time_seconds', 'When it was started, in seconds since 1970.', s =>
    seconds(Date.parse(s.status.supervisor.startedAt)),
  ),
  split(
    'counter',
    'ph_supervisor_reloads_total',
    'outcome',
    'Reloads that were done, failed, or were given up for a newer one.',
    s => s.reloads,
  ),
  single(
    'gauge',
    'ph_supervisor_resident_memory_bytes',
    'Resident memory of the supervisor.',
    s => s.status.supervisor.rss,
  ),
  single('counter', 'ph_supervisor_cpu_seconds_total', 'CPU time that the supervisor has used.', s =>
    seconds(s.cpu),
  ),
  single(
    'gauge',
    'ph_supervisor_event_loop_utilization_ratio',
    'Part of the time that its event loop was busy lately, 0 to 1.',
    s => s.status.supervisor.eventLoop.utilization,
  ),
  single(
    'gauge',
    'ph_supervisor_event_loop_delay_seconds',
    'How late its event loop came to its timers lately, the 99th percentile.',
    s => seconds(s.status.supervisor.eventLoop.delay),
  ),
];

export const sectionMetrics: readonly Metric<MeasuredSection>[] = [
  split('gauge', 'ph_section_state', 'state', '1 for the state that it is in, 0 for the others.', s =>
    oneOf(sectionStates, s.status.state),
  ),
  single(
    'gauge',
    'ph_section_generation',
    'Number of the generation that new workers belong to; each reload adds one.',
    s => s.status.generation,
  ),
  single(
    'gauge',
    'ph_section_workers_wanted',
    'Worker processes that there should be.',
    s => s.status.workers.wanted,
  ),
  split('gauge', 'ph_section_workers', 'state', 'Worker processes that there are, by state.', s =>
    Object.fromEntries(
      processStates.map(state => [state, s.status.processes.filter(each => each.state === state).length]),
    ),
  ),
  single('gauge', 'ph_section_queued_tasks', 'Tasks that wait.', s => s.status.queued),
  split('counter', 'ph_section_tasks_total', 'outcome', 'Tasks that ended, by how.', s => s.totals?.tasks),
  single('histogram', 'ph_section_task_run_seconds', 'How long tasks ran.', s => s.totals?.runTime),
  single(
    'histogram',
    'ph_section_task_wait_seconds',
    'How long tasks waited in a worker process until a thread began them.',
    s => s.totals?.waitTime,
  ),
  single(
    'counter',
    'ph_section_restarts_total',
    'Worker processes that were started for one that had ended unasked.',
    s => s.totals?.restarts,
  ),
  split(
    'counter',
    'ph_section_exits_total',
    'reason',
    'Worker processes that ended, by why.',
    s => s.totals?.exits,
  ),
  single(
    'counter',
    'ph_section_connections_accepted_total',
    'Connections that were accepted on the addresses of bind.',
    s => s.totals?.accepted,
  ),
  {
    name: 'ph_section_rpc_calls_total',
    type: 'counter',
    labels: ['method', 'code'],
    help: 'RPC calls that were answered, by method and by `ok` or the code of the error.',
    read: ({ totals }) => totals?.rpc.map(byMethod) ?? [],
  },
];

export const workerMetrics: readonly Metric<MeasuredWorker>[] = [
  single('gauge', 'ph_worker_ready', '1 if it is ready, 0 while it starts or drains.', w =>
    w.status.state === 'ready' ? 1 : 0,
  ),
  single('gauge', 'ph_worker_uptime_seconds', 'Since it was started.', w => seconds(w.status.uptime)),
  single(
    'counter',
    'ph_worker_restarts_total',
    'How often a process in this place was started for one that had ended unasked.',
    w => w.status.restarts,
  ),
  single('gauge', 'ph_worker_threads', 'Threads that it has at the most.', w => w.status.threads.all),
  single('gauge', 'ph_worker_threads_busy', 'Threads that run a task.', w => w.status.threads.busy),
  single('gauge', 'ph_worker_queued_tasks', 'Tasks that wait in it for a thread.', w => w.status.queued),
  split('counter', 'ph_worker_tasks_total', 'outcome', 'Tasks that ended, by how.', w => w.statistics?.tasks),
  single('histogram', 'ph_worker_task_run_seconds', 'How long tasks ran.', w => w.statistics?.runTime),
  single(
    'histogram',
    'ph_worker_task_wait_seconds',
    'How long tasks waited in it until a thread began them.',
    w => w.statistics?.waitTime,
  ),
  single(
    'gauge',
    'ph_worker_resident_memory_bytes',
    'Resident memory of the process.',
    w => w.status.rss || undefined,
  ),
  single('counter', 'ph_worker_cpu_seconds_total', 'CPU time that it has used, with all threads.', w =>
    secondsOf(w.statistics?.cpu.total),
  ),
  single(
    'gauge',
    'ph_worker_event_loop_utilization_ratio',
    'Part of the time that the event loop of its main thread was busy lately, 0 to 1.',
    w => w.statistics?.eventLoop.utilization,
  ),
  single(
    'gauge',
    'ph_worker_event_loop_delay_seconds',
    'How late its main thread came to its timers lately, the 99th percentile.',
    w => secondsOf(w.statistics?.eventLoop.delay),
  ),
  single(
    'counter',
    'ph_worker_connections_accepted_total',
    'Connections that it has accepted on the addresses of bind.',
    w => w.statistics?.accepted,
  ),
  single('gauge', 'ph_worker_connections', 'Connections that are open.', w => w.status.connections),
  single('gauge', 'ph_worker_requests', 'Requests that are being answered.', w => w.status.requests),
  single('gauge', 'ph_worker_queue_connected', 'Of a section with queue: 1 if it takes jobs, else 0.', w =>
    w.queue ? Number(w.queue.connected) : undefined,
  ),
];
