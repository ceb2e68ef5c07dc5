/**
 * Threads, processes, or both: our pool against its peers. Every pool is measured in a process of its own, and one
 * after the other in each round, so that what else the machine does meets all alike.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { draw } from './draw.ts';
import { compareWithGoals } from './goals.ts';
import { calibrate } from './lib/calibrate.ts';
import { measure } from './lib/isolated.ts';
import { readOptions } from './lib/options.ts';
import { Progress } from './lib/progress.ts';
import type { PoolsReport } from './lib/report.ts';
import { Results, type Summary } from './lib/results.ts';
import { formatFigures, formatTable, isMet } from './lib/table.ts';
import { cores, peers } from './peers/index.ts';
import { scenarios } from './scenarios/index.ts';
import type { Scenario } from './scenarios/scenario.ts';

const { json, quick, verbose, rounds = quick ? 1 : 5, ...chosen } = readOptions('Compares pools.');
const chosenPeers = peers.filter(({ name }) => matches(name, chosen.pool));
const chosenScenarios = scenarios.filter(({ name }) => matches(name, chosen.scenario));
const isWhole = chosen.pool.length + chosen.scenario.length === 0;

function matches(name: string, wanted: readonly string[]): boolean {
  return wanted.length === 0 || wanted.some(part => name.includes(part));
}

async function measureAll(): Promise<Results> {
  const results = new Results();
  const progress = new Progress();
  progress.show('calibrating the CPU tasks');
  const turnsPerMs = await calibrate(cores);
  for (let round = 1; round <= rounds; round++) {
    for (const scenario of chosenScenarios) {
      for (const peer of chosenPeers.filter(peer => scenario.isFor(peer))) {
        progress.show(`round ${round} of ${rounds}, ${scenario.name}`, peer.name);
        results.add(scenario, peer, await measure(peer, scenario, { quick, cores, turnsPerMs, verbose }));
      }
    }
  }
  progress.end();
  return results;
}

function report(results: Results): PoolsReport {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
  const version = (name: string): string => lock.packages[`node_modules/${name}`].version;
  const measured = ['piscina', 'tinypool', 'workerpool', 'poolifier', 'jest-worker'];
  return {
    node: process.version,
    cores,
    rounds,
    versions: Object.fromEntries(measured.map(name => [name, version(name)])),
    scenarios: chosenScenarios.map(scenario => ({
      name: scenario.name,
      title: scenario.title,
      pools: results.summaries(scenario),
    })),
    goals: compareWithGoals(results, quick).map(figure => ({
      ...figure,
      met: figure.goal !== undefined && isMet(figure.ratio, figure.goal),
    })),
  };
}

/** As Markdown. */
function format({ node, versions, scenarios, goals }: PoolsReport): string {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const all = rounds === 1 ? 'one round' : `medians of ${rounds} rounds`;
  return [
    `Node ${node.slice(1)}, ${cores} cores, ${all}; ${list.join(', ')}.`,
    ...scenarios.flatMap(({ pools }, i) => formatScenario(chosenScenarios[i] as Scenario, pools)),
    ...(goals.length > 0 ? ['### Goals', formatFigures(goals)] : []),
  ].join('\n\n');
}

function formatScenario({ title, note, metrics }: Scenario, pools: readonly Summary[]): string[] {
  const rows = pools.map(summary => {
    const { figures, samples, died, hung } = summary;
    const failed = [died > 0 && `died in ${died}`, hung > 0 && `hung in ${hung}`].filter(Boolean);
    if (samples.length === 0)
      return [summary.pool, died > 0 ? 'died' : 'hung', ...metrics.slice(1).map(() => '')];
    const name = failed.length > 0 ? `${summary.pool} (${failed.join(', ')} of ${rounds})` : summary.pool;
    return [name, ...metrics.map(({ key, format }) => formatCell(figures[key], format))];
  });
  return [`### ${title}`, note, formatTable(['pool', ...metrics.map(({ title }) => title)], rows)];
}

function formatCell(value: number | null | undefined, format: (value: number) => string): string {
  return typeof value === 'number' ? format(value) : '–';
}

function write(report: PoolsReport): void {
  const file = (name: string) => new URL(`results/${name}`, import.meta.url);
  mkdirSync(file('.'), { recursive: true });
  writeFileSync(file('pools.json'), toJson(report));
  writeFileSync(file('pools.svg'), draw(report));
}

/** With four digits, which is more than the noise leaves. */
function toJson(report: PoolsReport): string {
  const rounded = (_key: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value;
  return `${JSON.stringify(report, rounded, 2)}\n`;
}

const finished = report(await measureAll());
if (isWhole && !quick) write(finished);
process.stdout.write(json ? toJson(finished) : `${format(finished)}\n`);
