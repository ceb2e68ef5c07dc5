/** What pools are measured by. */

import type { Peer, Pool, PoolOptions } from '../peers/peer.ts';

export interface Scenario {
  readonly name: string;
  /** Heading of its table. */
  readonly title: string;
  /** What exactly is measured, below the heading. */
  readonly note: string;
  readonly metrics: readonly Metric[];
  readonly options?: Partial<PoolOptions>;
  isFor(peer: Peer): boolean;
  /** `pool` is warm. */
  measure(pool: Pool, settings: Settings): Promise<Figures>;
}

export interface Metric {
  readonly key: string;
  /** Heading of its column. */
  readonly title: string;
  format(value: number): string;
}

/** By the key of the metric; null is what never came. */
export type Figures = Readonly<Record<string, number | null>>;

export interface Settings {
  /** Whether to be done soon rather than to be exact. */
  readonly quick: boolean;
  readonly cores: number;
  /** Turns of the task `spin` that are a ms of work. */
  readonly turnsPerMs: number;
  /** A directory of the measurement's own, for what the tasks leave. */
  readonly scratch: string;
}

export const isPool = (peer: Peer): boolean => peer.kind !== 'reference';

export const count = (value: number): string => Math.round(value).toLocaleString('en');

/** Ms, with as many digits as are worth reading. */
export function duration(ms: number): string {
  if (ms >= 100) return `${count(ms)} ms`;
  if (ms >= 1) return `${ms.toFixed(1)} ms`;
  return `${count(ms * 1000)} µs`;
}
