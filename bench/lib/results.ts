/** What was measured in all rounds, and what it comes down to. */

import type { Peer } from '../peers/peer.ts';
import type { Figures, Scenario } from '../scenarios/scenario.ts';
import type { Outcome } from './isolated.ts';
import { median } from './statistics.ts';

/** One pool in one scenario. */
export interface Summary {
  readonly pool: string;
  readonly kind: Peer['kind'];
  /** Medians of the rounds that ended well; empty where none did. */
  readonly figures: Figures;
  readonly samples: readonly Figures[];
  readonly died: number;
  readonly hung: number;
}

export class Results {
  readonly #outcomes = new Map<Scenario, Map<Peer, Outcome[]>>();

  add(scenario: Scenario, peer: Peer, outcome: Outcome): void {
    const ofScenario = this.#outcomes.get(scenario) ?? new Map<Peer, Outcome[]>();
    this.#outcomes.set(scenario, ofScenario);
    ofScenario.set(peer, [...(ofScenario.get(peer) ?? []), outcome]);
  }

  summaries(scenario: Scenario): Summary[] {
    const ofScenario = this.#outcomes.get(scenario) ?? new Map<Peer, Outcome[]>();
    return [...ofScenario].map(([peer, outcomes]) => summarize(peer, scenario, outcomes));
  }

  /** NaN where the pool did not come to a result, undefined where it was not measured. */
  figure(scenario: Scenario, peer: Peer, metric: string): number | undefined {
    const summary = this.summaries(scenario).find(({ pool }) => pool === peer.name);
    return summary && (summary.figures[metric] ?? Number.NaN);
  }
}

function summarize(peer: Peer, scenario: Scenario, outcomes: readonly Outcome[]): Summary {
  const samples = outcomes.flatMap(outcome => ('figures' in outcome ? [outcome.figures] : []));
  const failures = outcomes.flatMap(outcome => ('failure' in outcome ? [outcome.failure] : []));
  const medians = scenario.metrics.map(({ key }) => {
    // What never came took for ever.
    const value = median(samples.map(figures => figures[key] ?? Number.POSITIVE_INFINITY));
    return [key, Number.isFinite(value) ? value : null];
  });
  return {
    pool: peer.name,
    kind: peer.kind,
    figures: samples.length > 0 ? Object.fromEntries(medians) : {},
    samples,
    died: failures.filter(failure => failure === 'died').length,
    hung: failures.filter(failure => failure === 'hung').length,
  };
}
