/** What our pool is to achieve against its peers, always as a ratio of two figures of the same run. */

import type { Results } from './lib/results.ts';
import type { Figure, Goal } from './lib/table.ts';
import { echo } from './peers/echo.ts';
import { deep, peers, single, wide } from './peers/index.ts';
import type { Kind, Peer } from './peers/peer.ts';
import { piscina } from './peers/piscina.ts';
import { cpu } from './scenarios/cpu.ts';
import { crashes, crashTasks } from './scenarios/crashes.ts';
import { latency } from './scenarios/latency.ts';
import { mixed } from './scenarios/mixed.ts';
import { payloads } from './scenarios/payloads.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { tiny } from './scenarios/tiny.ts';

interface Comparison {
  readonly what: string;
  readonly scenario: Scenario;
  readonly metric: string;
  readonly ours: Choice;
  readonly reference: Choice;
  readonly goal: Goal;
}

/** Makes one figure of those of several pools. */
type Choice = (measured: (of: readonly Peer[]) => Measured[]) => Measured | undefined;

interface Measured {
  readonly name: string;
  /** NaN where the pool did not come to a result. */
  readonly value: number;
}

const ours = [wide, deep, single];
const ofKind = (kind: Kind) => peers.filter(peer => peer.kind === kind);

const only =
  (peer: Peer): Choice =>
  measured =>
    measured([peer])[0];

const best =
  (order: 'most' | 'least', of: readonly Peer[]): Choice =>
  measured => {
    const all = measured(of);
    const known = all.filter(({ value }) => !Number.isNaN(value)).sort((a, b) => a.value - b.value);
    return (order === 'most' ? known.at(-1) : known[0]) ?? all[0];
  };

const sum =
  (of: readonly Peer[]): Choice =>
  measured => {
    const all = measured(of);
    if (all.length < of.length) return undefined;
    return {
      name: all.map(({ name }) => name).join(' + '),
      value: all.reduce((total, { value }) => total + value, 0),
    };
  };

const comparisons: readonly Comparison[] = [
  ...(['processes', 'threads'] as const).map(kind => ({
    what: `tiny tasks/s, 256 in flight, best pool of ${kind}`,
    scenario: tiny,
    metric: '256',
    ours: best('most', ours),
    reference: best('most', ofKind(kind)),
    goal: { atLeast: kind === 'processes' ? 10 : 3 },
  })),
  {
    what: 'one tiny task at a time, p50',
    scenario: latency,
    metric: 'p50',
    ours: best('least', ours),
    reference: sum([echo, piscina]),
    goal: { atMost: 1.25 },
  },
  // Those of ours with as many threads as Piscina.
  ...[wide, deep].map(peer => ({
    what: 'CPU tasks of 10 ms, efficiency',
    scenario: cpu,
    metric: '10',
    ours: only(peer),
    reference: only(piscina),
    goal: { atLeast: 0.98 },
  })),
  {
    what: '16 MB there and back, best pool of processes',
    scenario: payloads,
    metric: '16m',
    ours: best('least', ours),
    reference: best('least', ofKind('processes')),
    goal: { atMost: 1 },
  },
  ...[wide, deep].map(peer => ({
    what: 'mixed load, p99 of the tiny tasks',
    scenario: mixed,
    metric: 'p99',
    ours: only(peer),
    reference: only(piscina),
    goal: { atMost: 1 },
  })),
];

/** Those goals whose figures were all measured. */
export function compareWithGoals(results: Results, quick: boolean): Figure[] {
  const measuredIn = (scenario: Scenario, metric: string) => (of: readonly Peer[]) =>
    of.flatMap(peer => {
      const value = results.figure(scenario, peer, metric);
      return value === undefined ? [] : [{ name: peer.name, value }];
    });
  const compared = comparisons.flatMap(({ what, scenario, metric, ours, reference, goal }) => {
    const measured = measuredIn(scenario, metric);
    const [our, against] = [ours(measured), reference(measured)];
    if (!our || !against) return [];
    const format = scenario.metrics.find(({ key }) => key === metric)?.format ?? String;
    const show = ({ name, value }: Measured) => `${format(value)} ${name}`;
    return [{ what, value: show(our), reference: show(against), ratio: our.value / against.value, goal }];
  });
  const tasks = crashTasks(quick);
  const lost = measuredIn(
    crashes,
    'lost',
  )(ours).map(({ name, value }) => ({
    what: 'tasks lost to crashes, with one retry',
    value: `${value} ${name}`,
    reference: `of ${tasks}`,
    ratio: value / tasks,
    goal: { atMost: 0 },
  }));
  return [...compared, ...lost];
}
