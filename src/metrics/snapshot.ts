/** What the metrics of one moment are made from: the status, and what a status does not tell. */

import type { Heartbeat } from '../channel/control.ts';
import type { Statistics } from '../channel/statistics.ts';
import type { SectionStatus, Status, WorkerStatus } from '../control/protocol.ts';
import type { Group } from '../group/group.ts';
import type { GroupTotals } from '../group/totals.ts';
import type { WorkerProcess } from '../group/worker-process.ts';

/** What is asked of a group. */
export interface MeasuredGroup extends Pick<Group, 'name' | 'hasGivenUp' | 'totals'> {
  readonly workers: readonly Pick<WorkerProcess, 'pid' | 'state' | 'heartbeat'>[];
}

/** `given-up`: a newer one took its place, or the supervisor stopped. */
export type ReloadCounts = Readonly<Record<'done' | 'failed' | 'given-up', number>>;

export interface Snapshot {
  readonly status: Status;
  readonly reloads: ReloadCounts;
  /** Used by the supervisor itself, ms. */
  readonly cpu: number;
  readonly sections: readonly MeasuredSection[];
}

export interface MeasuredSection {
  readonly status: SectionStatus;
  /** Undefined of a section that was stopped by itself. */
  readonly totals: GroupTotals | undefined;
  /** One for each place that has a process. */
  readonly workers: readonly MeasuredWorker[];
}

export interface MeasuredWorker {
  readonly status: WorkerStatus;
  /** Undefined until its first heartbeat. */
  readonly statistics: Statistics | undefined;
  readonly queue: Heartbeat['queue'];
}

export function snapshotOf(
  status: Status,
  groups: Iterable<MeasuredGroup>,
  reloads: ReloadCounts,
  { user, system } = process.cpuUsage(),
): Snapshot {
  const byName = new Map([...groups].map(group => [group.name, group]));
  const sections = status.sections.map(section => {
    const group = byName.get(section.name);
    return { status: section, totals: group?.totals, workers: workersOf(section, group?.workers ?? []) };
  });
  return { status, reloads, cpu: (user + system) / 1000, sections };
}

/** While a worker is replaced there are two of one index: the one that serves stands for the place. */
function workersOf({ processes }: SectionStatus, workers: MeasuredGroup['workers']): MeasuredWorker[] {
  const rank: Record<WorkerStatus['state'], number> = { exited: 0, draining: 1, starting: 2, ready: 3 };
  const byIndex = new Map<number, WorkerStatus>();
  for (const process of processes) {
    const other = byIndex.get(process.index);
    if (process.pid !== null && (!other || rank[other.state] < rank[process.state])) {
      byIndex.set(process.index, process);
    }
  }
  const heartbeats = new Map(workers.map(({ pid, heartbeat }) => [pid, heartbeat]));
  return [...byIndex.values()].map(status => {
    const heartbeat = heartbeats.get(status.pid ?? undefined);
    return { status, statistics: heartbeat?.statistics, queue: heartbeat?.queue };
  });
}
