/** Statuses as a supervisor gives them, for tests of what is made of them. */

import type { SectionStatus, Status, WorkerStatus } from '../../src/control/protocol.ts';
import { StatusSchema } from '../../src/control/protocol.ts';

export const now = Date.parse('2026-03-01T12:00:00.000Z');

const MiB = 1024 ** 2;

export function worker(fields: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    index: 0,
    pid: 41_001,
    state: 'ready',
    generation: 3,
    uptime: 276_500_000,
    restarts: 0,
    threads: { busy: 3, all: 4 },
    queued: 2,
    running: [],
    tasks: tasks({ done: 1_204_332 }),
    p50: 3.71,
    p95: 18.2,
    eventLoop: { utilization: 0.12, delay: 11.4 },
    cpu: 287.4,
    rss: 183 * MiB,
    connections: 12,
    requests: 3,
    queue: null,
    retiring: null,
    lastExit: null,
    nextTry: null,
    ...fields,
  };
}

export function section(fields: Partial<SectionStatus> = {}): SectionStatus {
  return {
    name: 'images',
    state: 'running',
    generation: 3,
    task: '/srv/app/tasks/images.ts',
    addresses: [],
    workers: { ready: 2, wanted: 2 },
    queued: 7,
    tasks: tasks({ done: 2_411_008, failed: 3 }),
    restarts: 1,
    exits: { killed: 1 },
    lastFailure: null,
    processes: [worker(), worker({ index: 1, pid: 41_377, uptime: 187_000 })],
    ...fields,
  };
}

export function tasks(counts: Partial<SectionStatus['tasks']>): SectionStatus['tasks'] {
  return { done: 0, failed: 0, 'timed-out': 0, cancelled: 0, lost: 0, ...counts };
}

/** Checked against the schema, so that no test uses what never is. */
export function status(
  sections: readonly SectionStatus[],
  supervisor: Partial<Status['supervisor']> = {},
): Status {
  return StatusSchema.parse({
    supervisor: {
      pid: 40_990,
      instance: 1,
      state: 'running',
      version: '0.1.0',
      node: 'v24.21.0',
      file: '/srv/app/ph.ini',
      directory: '/srv/app',
      startedAt: '2026-02-26T07:11:30.000Z',
      uptime: 276_510_000,
      rss: 61 * MiB,
      cpu: 0.6,
      eventLoop: { utilization: 0.01, delay: 10.2 },
      busyWith: null,
      ...supervisor,
    },
    sections,
  });
}

/** A section that does well, one that is on its way, one that fails, one that was scaled to nothing. */
export function mixed(): Status {
  const exit = (reason: string, at: string) => ({ kind: 'crash', reason, failure: true, at });
  return status([
    section({
      name: 'images',
      processes: [
        worker(),
        worker({
          index: 1,
          pid: 41_377,
          uptime: 187_000,
          restarts: 1,
          threads: { busy: 4, all: 4 },
          queued: 5,
          cpu: 391.8,
          rss: 1341 * MiB,
          lastExit: exit('killed by SIGKILL (out of memory?)', '2026-03-01T11:56:52.000Z'),
        }),
      ],
    }),
    section({
      name: 'web',
      state: 'reloading',
      generation: 4,
      addresses: ['127.0.0.1:8080'],
      workers: { ready: 1, wanted: 1 },
      queued: 0,
      tasks: tasks({ done: 48_211 }),
      restarts: 0,
      processes: [
        worker({ pid: 41_010, state: 'draining', retiring: 'reload', p50: 0, p95: 0, cpu: 3.2 }),
        worker({
          pid: 44_102,
          state: 'starting',
          generation: 4,
          uptime: 412,
          tasks: tasks({}),
          p50: 0,
          p95: 0,
        }),
      ],
    }),
    section({
      name: 'mail',
      state: 'failed',
      workers: { ready: 0, wanted: 1 },
      queued: 0,
      tasks: tasks({ done: 12, failed: 9, lost: 2 }),
      restarts: 10,
      lastFailure:
        'more than 10 failures within 60 s; the last: Error: connect ECONNREFUSED 10.0.0.7:25\n    at connect',
      processes: [
        worker({
          pid: null,
          state: 'exited',
          uptime: 0,
          restarts: 10,
          threads: { busy: 0, all: 0 },
          queued: 0,
          tasks: tasks({}),
          p50: 0,
          p95: 0,
          eventLoop: { utilization: 0, delay: 0 },
          cpu: 0,
          rss: 0,
          lastExit: exit('exited with code 1', '2026-03-01T11:59:48.000Z'),
          nextTry: 18_400,
        }),
      ],
    }),
    section({
      name: 'reports',
      state: 'stopped',
      workers: { ready: 0, wanted: 0 },
      queued: 0,
      processes: [],
    }),
  ]);
}
