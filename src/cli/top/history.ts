/** What has become of the sections' figures over the last minutes: a status has only those of a moment. Pure. */

import type { SectionStatus, Status } from '../../control/protocol.ts';
import { sum } from '../status/columns.ts';

export interface Courses {
  /** Tasks that ended, per second. */
  readonly throughput: readonly number[];
  /** Of the slowest worker, ms. */
  readonly p95: readonly number[];
  /** Of all its worker processes, bytes. */
  readonly rss: readonly number[];
}

/** How many values are kept: wider than that is no screen. */
const LENGTH = 240;

const none: Courses = { throughput: [], p95: [], rss: [] };

interface Entry {
  readonly courses: Courses;
  readonly at: number;
  readonly ended: number;
  /** Counts begin anew with another supervisor. */
  readonly supervisor: number;
}

export class History {
  #entries: ReadonlyMap<string, Entry> = new Map();

  /** @param at when the statuses were there, ms of any clock */
  add(statuses: readonly Status[], at: number): void {
    const entries = statuses.flatMap(({ supervisor, sections }) =>
      sections.map(section => {
        const key = sectionKey(supervisor.instance, section.name);
        return [key, next(this.#entries.get(key), section, supervisor.pid, at)] as const;
      }),
    );
    this.#entries = new Map(entries);
  }

  of(key: string): Courses {
    return this.#entries.get(key)?.courses ?? none;
  }
}

export function sectionKey(instance: number, name: string): string {
  return `${instance}/${name}`;
}

function next(last: Entry | undefined, section: SectionStatus, supervisor: number, at: number): Entry {
  const ended = sum(Object.values(section.tasks), count => count);
  const { throughput, p95, rss } = last?.courses ?? none;
  const isContinued = last?.supervisor === supervisor && at > last.at;
  const courses = {
    throughput: isContinued ? append(throughput, ((ended - last.ended) * 1000) / (at - last.at)) : throughput,
    p95: append(p95, Math.max(0, ...section.processes.map(worker => worker.p95))),
    rss: append(
      rss,
      sum(section.processes, worker => worker.rss),
    ),
  };
  return { courses, at, ended, supervisor };
}

function append(values: readonly number[], value: number): number[] {
  return [...values, Math.max(0, value)].slice(-LENGTH);
}
