/** The picture of a run of `pools.ts`. `node --import tsx bench/draw.ts` draws that of `results/pools.json` anew. */

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { PoolsReport } from './lib/report.ts';
import type { Kind } from './peers/peer.ts';
import { mixed } from './scenarios/mixed.ts';
import { duration, type Scenario } from './scenarios/scenario.ts';
import { tiny } from './scenarios/tiny.ts';

const width = 760;
const rowHeight = 24;
const colors: Readonly<Record<Exclude<Kind, 'reference'>, string>> = {
  both: '#d1495b',
  processes: '#8d96a3',
  threads: '#30638e',
};

type Page = ReturnType<typeof parseHTML>;

interface Bar {
  readonly pool: string;
  readonly kind: Kind;
  readonly value: number;
}

interface Chart {
  readonly scenario: Scenario;
  readonly metric: string;
  readonly title: string;
  readonly best: 'most' | 'least';
  format(value: number): string;
}

const charts: readonly Chart[] = [
  {
    scenario: tiny,
    metric: '256',
    title: 'Tiny tasks per second, 256 in flight (more is better)',
    best: 'most',
    format: value => `${(value / 1000).toFixed(0)} k`,
  },
  {
    scenario: mixed,
    metric: 'p99',
    title: 'p99 of tiny tasks among 1 % of 50 ms (less is better)',
    best: 'least',
    format: duration,
  },
];

export function draw(report: PoolsReport): string {
  const page = parseHTML('<html></html>');
  const picture = page.document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  let height = 0;
  for (const chart of charts) {
    const plot = plotChart(chart, barsOf(report, chart), page);
    plot.setAttribute('y', `${height}`);
    height += Number(plot.getAttribute('height'));
    picture.append(plot);
  }
  picture.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  picture.setAttribute('viewBox', `0 0 ${width} ${height}`);
  picture.setAttribute('width', `${width}`);
  // A page may be dark.
  picture.setAttribute('style', 'background: white');
  return `${picture}\n`;
}

function barsOf({ scenarios }: PoolsReport, { scenario, metric, best }: Chart): Bar[] {
  const pools = scenarios.find(({ name }) => name === scenario.name)?.pools ?? [];
  const bars = pools.flatMap(({ pool, kind, figures }) => {
    const value = figures[metric];
    return typeof value === 'number' ? [{ pool, kind, value }] : [];
  });
  return bars.sort((a, b) => (best === 'most' ? b.value - a.value : a.value - b.value));
}

function plotChart({ title, format }: Chart, bars: readonly Bar[], { document }: Page) {
  const marginTop = 44;
  return Plot.plot({
    document,
    width,
    height: marginTop + bars.length * rowHeight + 12,
    marginTop,
    marginLeft: 170,
    marginRight: 60,
    style: { color: '#222', fontSize: '12px' },
    x: { axis: null, domain: [0, Math.max(...bars.map(({ value }) => value))] },
    y: { label: null, tickSize: 0, domain: bars.map(({ pool }) => pool) },
    color: { domain: Object.keys(colors), range: Object.values(colors) },
    marks: [
      Plot.barX(bars, { x: 'value', y: 'pool', fill: 'kind', insetTop: 2, insetBottom: 2 }),
      Plot.text(bars, {
        x: 'value',
        y: 'pool',
        text: ({ value }: Bar) => format(value),
        textAnchor: 'start',
        dx: 4,
      }),
      Plot.text([title], { frameAnchor: 'top-left', dx: -160, dy: -28, fontWeight: 'bold', fontSize: 14 }),
      ...Object.entries(colors).map(([kind, color], i) =>
        Plot.text([kind], {
          frameAnchor: 'top-right',
          textAnchor: 'start',
          dx: 72 * i - 140,
          dy: -28,
          fill: color,
        }),
      ),
    ],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = (name: string) => new URL(`results/${name}`, import.meta.url);
  writeFileSync(file('pools.svg'), draw(JSON.parse(readFileSync(file('pools.json'), 'utf8'))));
}
