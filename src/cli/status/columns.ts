/** What `ph status` and `ph top` show of a section and of a worker, column by column. */

import type { SectionStatus, WorkerStatus } from '../../control/protocol.ts';
import { type Span, type Style, span } from '../terminal/line.ts';
import type { Column } from '../terminal/table.ts';
import { plainText } from '../terminal/text.ts';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatPercent,
  type formatRate,
  formatTime,
} from '../terminal/units.ts';

/** A section, or one of its workers. */
export interface Row {
  readonly section: SectionStatus;
  readonly worker?: WorkerStatus;
  /** When the status was asked for, ms since 1970. */
  readonly now: number;
}

const stateStyles: Readonly<Record<SectionStatus['state'] | WorkerStatus['state'], readonly Style[]>> = {
  starting: ['cyan'],
  running: ['green'],
  ready: ['green'],
  reloading: ['cyan'],
  draining: ['cyan'],
  backoff: ['yellow'],
  failed: ['red', 'bold'],
  exited: ['red'],
  stopping: ['dim'],
  stopped: ['dim'],
};

/** From the left to the right. */
export const columns = {
  name: {
    title: 'SECTION',
    rank: 100,
    min: 12,
    cell: ({ section, worker }) =>
      worker ? span(`  #${worker.index}`) : span(plainText(section.name), 'bold'),
  },
  state: {
    title: 'STATE',
    rank: 99,
    cell: ({ section, worker }) => {
      const { state } = worker ?? section;
      return span(state, ...stateStyles[state]);
    },
  },
  ready: {
    title: 'READY',
    align: 'right',
    rank: 98,
    cell: ({ section: { workers }, worker }) =>
      worker ? undefined : span(`${workers.ready}/${workers.wanted}`, ...styleOfReady(workers)),
  },
  generation: {
    title: 'GEN',
    align: 'right',
    rank: 50,
    cell: row => (isGone(row) ? undefined : span(String((row.worker ?? row.section).generation))),
  },
  pid: {
    title: 'PID',
    align: 'right',
    rank: 95,
    cell: ({ worker }) => (worker?.pid ? span(String(worker.pid)) : undefined),
  },
  uptime: {
    title: 'UP',
    align: 'right',
    rank: 60,
    cell: ({ worker }) => (worker?.pid ? span(formatAge(worker.uptime)) : undefined),
  },
  restarts: {
    title: 'RESTARTS',
    align: 'right',
    rank: 62,
    cell: ({ section, worker }) => figure((worker ?? section).restarts, formatCount),
  },
  threads: {
    title: 'THREADS',
    align: 'right',
    rank: 80,
    cell: row => {
      const workers = processesOf(row);
      const all = sum(workers, w => w.threads.all);
      return all === 0 ? undefined : span(`${sum(workers, w => w.threads.busy)}/${all}`);
    },
  },
  queue: {
    title: 'QUEUE',
    align: 'right',
    rank: 85,
    cell: row => (isGone(row) ? undefined : figure((row.worker ?? row.section).queued, formatCount)),
  },
  done: {
    title: 'DONE',
    align: 'right',
    rank: 75,
    cell: row => (isGone(row) ? undefined : figure((row.worker ?? row.section).tasks.done, formatCount)),
  },
  failed: {
    title: 'FAILED',
    align: 'right',
    rank: 84,
    cell: row => {
      if (isGone(row)) return undefined;
      const failures = failuresOf((row.worker ?? row.section).tasks);
      return span(formatCount(failures), failures > 0 ? 'yellow' : 'dim');
    },
  },
  p50: {
    title: 'P50',
    align: 'right',
    rank: 30,
    cell: ({ worker }) => time(worker?.p50),
  },
  p95: {
    title: 'P95',
    align: 'right',
    rank: 70,
    cell: ({ worker }) => time(worker?.p95),
  },
  loop: {
    title: 'LOOP',
    align: 'right',
    rank: 40,
    cell: ({ worker }) =>
      worker?.pid ? figure(worker.eventLoop.utilization * 100, formatPercent) : undefined,
  },
  cpu: {
    title: 'CPU',
    align: 'right',
    rank: 90,
    cell: row => total(row, w => w.cpu, formatPercent),
  },
  rss: {
    title: 'RSS',
    align: 'right',
    rank: 91,
    cell: row => total(row, w => w.rss, formatBytes),
  },
  nextTry: {
    title: 'NEXT TRY',
    rank: 83,
    cell: ({ worker }) =>
      typeof worker?.nextTry === 'number' ? span(`in ${formatTime(worker.nextTry)}`, 'yellow') : undefined,
  },
  retires: {
    title: 'RETIRES',
    rank: 64,
    cell: ({ worker }) => (worker?.retiring ? span(plainText(worker.retiring), 'cyan') : undefined),
  },
  lastExit: {
    title: 'LAST EXIT',
    rank: 65,
    min: 20,
    cell: ({ worker, now }) => (worker?.lastExit ? exitCell(worker.lastExit, now) : undefined),
  },
} satisfies Readonly<Record<string, Column<Row>>>;

/** Tasks whose caller did not get what it wanted; one that he cancelled is none of them. */
export function failuresOf(tasks: SectionStatus['tasks']): number {
  return tasks.failed + tasks['timed-out'] + tasks.lost;
}

export function sum<T>(list: readonly T[], value: (each: T) => number): number {
  return list.reduce((total, each) => total + value(each), 0);
}

/** Its process has ended, and with it what it counted. */
function isGone({ worker }: Row): boolean {
  return worker?.pid === null;
}

function processesOf({ section, worker }: Row): readonly WorkerStatus[] {
  return (worker ? [worker] : section.processes).filter(({ pid }) => pid !== null);
}

function total(
  row: Row,
  value: (worker: WorkerStatus) => number,
  format: typeof formatRate,
): Span | undefined {
  const workers = processesOf(row);
  return workers.length === 0 ? undefined : figure(sum(workers, value), format);
}

/** None where no task has ended lately. */
function time(ms: number | undefined): Span | undefined {
  return ms ? span(formatTime(ms)) : undefined;
}

/** Zeros are there for the eye to pass over. */
function figure(value: number, format: typeof formatRate): Span {
  return span(format(value), ...(value === 0 ? (['dim'] as const) : []));
}

function styleOfReady({ ready, wanted }: SectionStatus['workers']): readonly Style[] {
  if (ready >= wanted) return [];
  return ready === 0 ? ['red'] : ['yellow'];
}

function exitCell({ reason, failure, at }: NonNullable<WorkerStatus['lastExit']>, now: number): Span {
  const age = formatAge(Math.max(0, now - Date.parse(at)));
  return span(`${age} ago: ${plainText(reason)}`, failure ? 'yellow' : 'dim');
}
