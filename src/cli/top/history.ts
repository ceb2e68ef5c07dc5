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

/**
 * What a rate spans, ms: workers tell their counts once a second, each at a time of its own, so that between two statuses
 * there may be none of them, or two.
 */
const SPAN = 3000;

/** Statuses that follow each other faster count as one, ms: somebody has pressed a key. */
const LEAST_STEP = 500;

interface Entry {
  readonly courses: Courses;
  /** How many tasks had ended, by then; of the last `SPAN`, and the one before it. */
  readonly counts: readonly { readonly at: number; readonly ended: number }[];
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
  const known = last?.supervisor === supervisor ? last.counts : [];
  const newest = known.at(-1);
  if (last && newest && at - newest.at < LEAST_STEP) return last;
  const ended = sum(Object.values(section.tasks), count => count);
  const { throughput, p95, rss } = last?.courses ?? none;
  const counts = [...known.filter((_, index) => at - (known[index + 1]?.at ?? at) < SPAN), { at, ended }];
  const [first] = counts;
  const rate = first && at > first.at ? ((ended - first.ended) * 1000) / (at - first.at) : undefined;
  const courses = {
    throughput: rate === undefined ? throughput : append(throughput, rate),
    p95: append(p95, Math.max(0, ...section.processes.map(worker => worker.p95))),
    rss: append(
      rss,
      sum(section.processes, worker => worker.rss),
    ),
  };
  return { courses, counts, supervisor };
}

function append(values: readonly number[], value: number): number[] {
  return [...values, Math.max(0, value)].slice(-LENGTH);
}
