/** The orders in which `ph top` shows workers. Pure. */

import type { WorkerStatus } from '../../control/protocol.ts';
import { failuresOf, type Row } from '../status/columns.ts';

export interface SortColumn {
  /** The title of the column that shows it. */
  readonly title: string;
  /** The highest comes first; without, the order is that of the sections. */
  value?(worker: WorkerStatus): number;
}

export const sortColumns: readonly [SortColumn, ...SortColumn[]] = [
  { title: 'WORKER' },
  { title: 'CPU', value: ({ cpu }) => cpu },
  { title: 'RSS', value: ({ rss }) => rss },
  { title: 'P95', value: ({ p95 }) => p95 },
  { title: 'DONE', value: ({ tasks }) => tasks.done },
  { title: 'FAILED', value: ({ tasks }) => failuresOf(tasks) },
  { title: 'QUEUE', value: ({ queued }) => queued },
  { title: 'RESTARTS', value: ({ restarts }) => restarts },
  { title: 'UP', value: ({ uptime }) => uptime },
];

/** Those that are equal stay in the order that they are in. */
export function sorted<R extends Row>(rows: readonly R[], column: SortColumn, isReversed: boolean): R[] {
  const { value } = column;
  if (!value) return isReversed ? [...rows].reverse() : [...rows];
  const of = ({ worker }: R) => (worker ? value(worker) : 0);
  return [...rows].sort((a, b) => (isReversed ? of(a) - of(b) : of(b) - of(a)));
}
