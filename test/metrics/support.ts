/** A status, and groups, of which a test says only what it is about. */

import type { Heartbeat } from '../../src/channel/control.ts';
import { type Outcome, type Statistics, timeBuckets } from '../../src/channel/statistics.ts';
import type { SectionStatus, Status, WorkerStatus } from '../../src/control/protocol.ts';
import type { MeasuredGroup } from '../../src/metrics/snapshot.ts';

export const noTasks: Record<Outcome, number> = { done: 0, failed: 0, 'timed-out': 0, cancelled: 0, lost: 0 };
export const noTimes = { counts: [...timeBuckets, Infinity].map(() => 0), sum: 0 };

const statistics: Statistics = {
  tasks: { ...noTasks, done: 7 },
  runTime: noTimes,
  waitTime: noTimes,
  recent: { p50: 0, p95: 0 },
  rpc: [],
  accepted: 3,
  cpu: { total: 2500, percent: 50 },
  eventLoop: { utilization: 0.5, delay: 20 },
};

export function heartbeatOf(of: Partial<Heartbeat>): Heartbeat {
  return {
    type: 'heartbeat',
    rss: 50_000_000,
    running: [],
    queued: 0,
    connections: 0,
    requests: 0,
    statistics,
    ...of,
  };
}

export function workerOf(index: number, of: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    index,
    pid: 1000 + index,
    state: 'ready',
    generation: 1,
    uptime: 1500,
    restarts: 0,
    threads: { busy: 0, all: 2 },
    queued: 0,
    running: [],
    tasks: noTasks,
    p50: 0,
    p95: 0,
    eventLoop: { utilization: 0, delay: 0 },
    cpu: 0,
    rss: 50_000_000,
    connections: 0,
    requests: 0,
    queue: null,
    retiring: null,
    lastExit: null,
    nextTry: null,
    ...of,
  };
}

export function sectionOf(name: string, of: Partial<SectionStatus> = {}): SectionStatus {
  return {
    name,
    state: 'running',
    generation: 1,
    task: '/srv/task.mjs',
    addresses: [],
    workers: { ready: 1, wanted: 1 },
    queued: 0,
    tasks: noTasks,
    restarts: 0,
    exits: {},
    lastFailure: null,
    processes: [],
    ...of,
  };
}

export function statusWith(
  sections: SectionStatus[],
  state: Status['supervisor']['state'] = 'running',
): Status {
  return {
    supervisor: {
      pid: 1,
      instance: 1,
      state,
      version: '1.2.3',
      node: 'v20.20.0',
      file: null,
      directory: '/srv',
      startedAt: '2026-01-02T03:04:05.000Z',
      uptime: 1000,
      rss: 60_000_000,
      cpu: 1,
      eventLoop: { utilization: 0.25, delay: 12 },
      busyWith: null,
    },
    sections,
  };
}

export function groupOf(name: string, of: Partial<MeasuredGroup> = {}): MeasuredGroup {
  return {
    name,
    hasGivenUp: false,
    workers: [],
    totals: {
      tasks: noTasks,
      runTime: noTimes,
      waitTime: noTimes,
      rpc: [],
      accepted: 0,
      exits: {} as MeasuredGroup['totals']['exits'],
      restarts: 0,
    },
    ...of,
  };
}
