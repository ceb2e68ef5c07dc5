/** What a run of `bench/pools.ts` leaves in `results/pools.json`. */

import type { Summary } from './results.ts';
import type { Figure } from './table.ts';

export interface PoolsReport {
  readonly node: string;
  readonly cores: number;
  readonly rounds: number;
  /** Of the peers. */
  readonly versions: Readonly<Record<string, string>>;
  readonly scenarios: readonly ScenarioReport[];
  readonly goals: readonly (Figure & { readonly met: boolean })[];
}

export interface ScenarioReport {
  readonly name: string;
  readonly title: string;
  readonly pools: readonly Summary[];
}
