/**
 * JSON-RPC and sockets: calls that run on a thread against a bare HTTP server that runs them itself, and against another
 * JSON-RPC server; two workers on one socket against node:cluster; CPU work beside a health check.
 */

import { availableParallelism } from 'node:os';
import { type Load, type LoadResult, load } from './http/load.ts';
import { type RunningServer, type Server, script, start, underPh } from './http/servers.ts';
import { spread } from './http/spread.ts';
import { calibrate } from './lib/calibrate.ts';
import { readOptions } from './lib/options.ts';
import { Progress } from './lib/progress.ts';
import { median } from './lib/statistics.ts';
import { type Figure, formatFigures, type Goal, isMet } from './lib/table.ts';

const {
  json,
  quick,
  scenario: chosen,
  rounds = quick ? 1 : 3,
} = readOptions('Measures JSON-RPC and sockets.');
const cores = availableParallelism();
const seconds = quick ? 2 : 5;
const connections = 64;
/** Ms of the CPU method. */
const length = 10;
const healthLimit = 20;

const progress = new Progress();
const samples = new Map<string, number[]>();

const call = (method: string, params: object) => JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
const echo = call('echo', { n: 1, text: 'hello' });

function add(what: string, value: number): void {
  samples.set(what, [...(samples.get(what) ?? []), value]);
}

const medianOf = (what: string) => median(samples.get(what) ?? []);

async function withServer<T>(server: Server, use: (running: RunningServer) => Promise<T>): Promise<T> {
  const running = await start(server);
  try {
    return await use(running);
  } finally {
    await running.stop();
  }
}

/** Throws where a request failed: a figure would mean nothing. */
async function measure(options: Load): Promise<LoadResult> {
  const result = await load(options);
  if (result.failed > 0) throw new Error(`${result.failed} requests failed`);
  return result;
}

/** Answers per second of a server that has compiled its code. */
async function addRate(what: string, server: Server, body: string): Promise<void> {
  progress.show(stage, what);
  await withServer(server, async ({ port }) => {
    await measure({ port, connections, duration: quick ? 1 : 3, body });
    add(what, (await measure({ port, connections, duration: seconds, body })).rate);
  });
}

let stage = '';

interface Scenario {
  readonly name: string;
  /** One round. */
  run(): Promise<void>;
  figures(): Figure[];
}

const rate = (value: number) => `${Math.round(value).toLocaleString('en')}/s`;

function compareRates(what: string, ours: string, reference: string, goal: Goal): Figure {
  const [value, against] = [medianOf(ours), medianOf(reference)];
  return {
    what,
    value: rate(value),
    reference: `${rate(against)} ${reference}`,
    ratio: value / against,
    goal,
  };
}

const scenarios: readonly Scenario[] = [
  {
    name: 'echo',
    async run() {
      await addRate('bare node:http, one process', script('bare-echo.mjs'), echo);
      await addRate('ph 1×1', underPh('rpc.mjs', 1, 1), echo);
      await addRate('jayson', script('jayson-echo.mjs'), echo);
      await addRate('ph 2×1', underPh('rpc.mjs', 2, 1), echo);
    },
    figures: () => [
      compareRates('JSON-RPC echo on a thread, per worker process', 'ph 1×1', 'bare node:http, one process', {
        atLeast: 0.8,
      }),
      compareRates('JSON-RPC echo on threads, 2 workers', 'ph 2×1', 'jayson', { atLeast: 1.3 }),
    ],
  },
  {
    name: 'http',
    async run() {
      await addRate('node:cluster, 2 workers', script('cluster-echo.mjs'), echo);
      await addRate('ph serve', underPh('serve-echo.mjs', 2, 0), echo);
    },
    figures: () => [
      compareRates('HTTP echo, 2 workers', 'ph serve', 'node:cluster, 2 workers', { atLeast: 1 }),
    ],
  },
  {
    name: 'cpu',
    async run() {
      progress.show(stage, 'calibrating');
      const turns = Math.round(length * (await calibrate(cores)));
      progress.show(stage, 'ph');
      await withServer(underPh('rpc.mjs', 1, cores), async ({ port }) => {
        const body = call('spin', { turns });
        await measure({ port, connections: 4 * cores, duration: 1, body });
        const duration = quick ? 4 : 10;
        const [work, health] = await Promise.all([
          measure({ port, connections: 4 * cores, duration, body }),
          measure({ port, connections: 1, duration, path: '/healthz', rate: 50 }),
        ]);
        add('calls', work.rate);
        add('health', health.p99);
      });
    },
    figures: () => {
      const [calls, ideal, health] = [medianOf('calls'), (1000 * cores) / length, medianOf('health')];
      return [
        {
          what: `CPU method of ${length} ms, ${4 * cores} clients, ${cores} threads`,
          value: rate(calls),
          reference: `${rate(ideal)} that bare threads do`,
          ratio: calls / ideal,
          goal: { atLeast: 0.95 },
        },
        {
          what: 'p99 of the health check meanwhile',
          value: `${health} ms`,
          reference: `${healthLimit} ms`,
          ratio: health / healthLimit,
          goal: { atMost: 1 },
        },
      ];
    },
  },
  {
    name: 'spread',
    async run() {
      progress.show(stage);
      await withServer(underPh('rpc.mjs', 2, 1), async ({ port }) => {
        const counts = await spread(port, 100);
        add('fewest', counts.length < 2 ? 0 : (counts[0] as number));
      });
    },
    figures: () => [
      {
        what: 'of 100 connections opened at once, those of the worker with the fewest',
        value: String(medianOf('fewest')),
        reference: '50',
        ratio: medianOf('fewest') / 50,
      },
    ],
  },
];

const selected = scenarios.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
for (let round = 1; round <= rounds; round++) {
  for (const { name, run } of selected) {
    stage = `round ${round} of ${rounds}, ${name}`;
    await run();
  }
}
progress.end();
const figures = selected.flatMap(({ figures }) => figures());
if (json) {
  const all = figures.map(figure => ({ ...figure, met: figure.goal && isMet(figure.ratio, figure.goal) }));
  const report = { node: process.version, cores, rounds, figures: all, samples: Object.fromEntries(samples) };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
} else {
  process.stdout.write(`${formatFigures(figures)}\n`);
}
