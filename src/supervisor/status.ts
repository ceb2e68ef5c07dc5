/** What a supervisor tells of itself and its sections. */

import { type Outcome, outcomes, type Statistics } from '../channel/statistics.ts';
import { formatAddress } from '../config/kinds/places.ts';
import type { Configuration } from '../config/types.ts';
import type { SectionStatus, Status, WorkerStatus } from '../control/protocol.ts';
import type { Group } from '../group/group.ts';
import type { Slot } from '../group/slots.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import type { Load } from '../load-meter.ts';
import { packageVersion } from '../version.ts';
import type { Sections } from './sections.ts';

export interface StatusSource {
  readonly configuration: Configuration;
  readonly sections: Sections;
  readonly instance: number;
  readonly state: Status['supervisor']['state'];
  readonly busyWith: Status['supervisor']['busyWith'];
  readonly load: Load;
  /** Monotonic ms in which this process was awake. */
  readonly now: number;
}

export function statusOf(source: StatusSource): Status {
  const { configuration, sections, instance, state, busyWith, load, now } = source;
  const uptime = process.uptime() * 1000;
  return {
    supervisor: {
      pid: process.pid,
      instance,
      state,
      version: packageVersion,
      node: process.version,
      file: configuration.file ?? null,
      directory: configuration.directory,
      // Not the difference of two clocks: it is to be the same whenever it is asked for.
      startedAt: new Date(performance.timeOrigin).toISOString(),
      uptime,
      rss: process.memoryUsage.rss(),
      cpu: load.cpu.percent,
      eventLoop: load.eventLoop,
      busyWith,
    },
    sections: [...configuration.sections.keys()].map(name => {
      const group = sections.groups.get(name);
      const queued = sections.submissions(name)?.queued ?? 0;
      return group ? sectionOf(group, queued, now) : stopped(configuration, name);
    }),
  };
}

function sectionOf(group: Group, waiting: number, now: number): SectionStatus {
  const { name, state, generation, config, sockets, desired, places, lastFailure } = group;
  const inPlaces = new Set(places.flatMap(({ worker, successor }) => [worker, successor]));
  const others = group.workers.filter(worker => !inPlaces.has(worker));
  const processes = [
    ...places.map(place => placeOf(place, now)),
    ...places.flatMap(({ successor }) => (successor ? workerOf(successor) : [])),
    ...others.map(worker => workerOf(worker)),
  ];
  return {
    name,
    state,
    generation,
    task: config.task,
    addresses: sockets.map(({ address }) => address),
    workers: { ready: group.workers.filter(worker => worker.state === 'ready').length, wanted: desired },
    queued: waiting + processes.reduce((sum, { queued }) => sum + queued, 0),
    tasks: group.totals.tasks,
    restarts: group.totals.restarts,
    exits: group.totals.exits,
    lastFailure: lastFailure?.message ?? null,
    processes,
  };
}

/** Of a section that was stopped by itself. */
function stopped({ sections }: Configuration, name: string): SectionStatus {
  const { task = '', bind = [] } = sections.get(name) ?? {};
  return {
    name,
    state: 'stopped',
    generation: 0,
    task,
    addresses: bind.map(formatAddress),
    workers: { ready: 0, wanted: 0 },
    queued: 0,
    tasks: noTasks(),
    restarts: 0,
    exits: {},
    lastFailure: null,
    processes: [],
  };
}

function placeOf(
  { index, worker, restarts, retiring, lastExit, notBefore, finished }: Readonly<Slot>,
  now: number,
): WorkerStatus {
  const nextTry = worker || finished ? null : Math.max(0, notBefore - now);
  const rest = {
    restarts,
    retiring: retiring ?? null,
    lastExit: lastExit
      ? {
          kind: lastExit.reason.kind,
          reason: lastExit.reason.text,
          failure: lastExit.reason.failure,
          at: lastExit.at.toISOString(),
        }
      : null,
    nextTry,
  };
  return worker ? { ...workerOf(worker), ...rest } : { ...absent(index), ...rest };
}

function workerOf(worker: WorkerProcess): WorkerStatus {
  const { index, pid, state, generation, heartbeat, spec, age } = worker;
  const {
    running = [],
    queued = 0,
    rss = 0,
    connections = 0,
    requests = 0,
    queue,
    statistics,
  } = heartbeat ?? {};
  return {
    ...absent(index),
    pid: pid ?? null,
    state,
    generation,
    uptime: age,
    threads: {
      busy: Math.min(spec.config.threads, new Set(running.map(({ threadId }) => threadId)).size),
      all: spec.config.threads,
    },
    queued,
    running: [...running],
    rss,
    connections,
    requests,
    queue: queue ? { connected: queue.connected, reason: queue.reason ?? null } : null,
    ...(statistics && usageOf(statistics)),
  };
}

function usageOf({ tasks, recent, eventLoop, cpu }: Statistics) {
  return { tasks, p50: recent.p50, p95: recent.p95, eventLoop, cpu: cpu.percent };
}

function absent(index: number): WorkerStatus {
  return {
    index,
    pid: null,
    state: 'exited',
    generation: 0,
    uptime: 0,
    restarts: 0,
    threads: { busy: 0, all: 0 },
    queued: 0,
    running: [],
    tasks: noTasks(),
    p50: 0,
    p95: 0,
    eventLoop: { utilization: 0, delay: 0 },
    cpu: 0,
    rss: 0,
    connections: 0,
    requests: 0,
    queue: null,
    retiring: null,
    lastExit: null,
    nextTry: null,
  };
}

function noTasks(): Record<Outcome, number> {
  return Object.fromEntries(outcomes.map(outcome => [outcome, 0])) as Record<Outcome, number>;
}
