/**
 * Boot and recovery: how long until `ph run` is ready, how long a killed worker is missing, and what it all weighs.
 * Run with `npm run bench`; `--json` prints the figures for a program.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type NodeBinary, nodeBinaries } from './lib/node.ts';
import { type Figure, formatFigures, median } from './lib/table.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 11);
const ph = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const module = (name: string) => fileURLToPath(new URL(`./modules/${name}`, import.meta.url));

interface Started {
  readonly child: ChildProcess;
  readonly lines: Interface;
  /** Ms from the start to the line that says ready. */
  readonly ready: number;
}

/** Rows of samples, by what they are samples of. */
class Samples {
  readonly #values = new Map<string, number[]>();

  add(what: string, value: number): void {
    this.#values.set(what, [...(this.#values.get(what) ?? []), value]);
  }

  median(what: string): number {
    return median(this.#values.get(what) ?? []);
  }
}

async function start(
  node: NodeBinary,
  args: readonly string[],
  isReady: (line: string) => boolean,
): Promise<Started> {
  const begun = performance.now();
  const child = spawn(node.path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = createInterface({ input: child.stderr });
  const at = await lineAt(lines, isReady);
  return { child, lines, ready: at - begun };
}

/** When a line came. A listener, since several lines may come in one turn of the event loop. */
function lineAt(lines: Interface, matches: (line: string) => boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    lines.once('close', () => reject(new Error('the process ended before it was ready')));
    lines.on('line', line => {
      if (matches(line)) resolve(performance.now());
    });
  });
}

async function end({ child }: Started): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

const startBare = (node: NodeBinary) => start(node, [module('bare-pool.mjs')], line => line === 'ready');
const startPh = (node: NodeBinary, file: string) =>
  start(node, [ph, 'run', module(file), '-w', '1', '-t', '2'], line => line.includes('"all workers ready"'));

/** Kills the only worker; ms until its replacement is ready. */
async function recover({ lines, child }: Started): Promise<number> {
  const [worker] = childrenOf(child.pid as number);
  const begun = performance.now();
  process.kill(worker as number, 'SIGKILL');
  return (await lineAt(lines, line => line.includes(' ready after '))) - begun;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

function rss(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Ms from the supervisor's first word to its worker being ready: the boot of a worker alone. */
async function firstBoot(node: NodeBinary): Promise<number> {
  const started = await start(node, [ph, 'run', module('double.mjs'), '-w', '1', '-t', '2'], line =>
    line.includes('"supervising '),
  );
  const begun = performance.now();
  const boot = (await lineAt(started.lines, line => line.includes(' ready after '))) - begun;
  await end(started);
  return boot;
}

async function measure(node: NodeBinary, samples: Samples): Promise<void> {
  const bare = await startBare(node);
  samples.add('bare', bare.ready);
  samples.add('bare rss', rss(bare.child.pid as number));
  await end(bare);

  const javascript = await startPh(node, 'double.mjs');
  const supervisor = javascript.child.pid as number;
  samples.add('ph js', javascript.ready);
  samples.add('supervisor rss', rss(supervisor));
  samples.add('worker rss', rss(childrenOf(supervisor)[0] as number));
  samples.add('recovery', await recover(javascript));
  await end(javascript);

  samples.add('first boot', await firstBoot(node));

  const typescript = await startPh(node, 'double.ts');
  samples.add('ph ts', typescript.ready);
  await end(typescript);
}

function figures(node: NodeBinary, samples: Samples): Figure[] {
  const compare = (
    what: string,
    unit: string,
    sample: string,
    reference: string,
    label: string,
    goal?: number,
  ): Figure => {
    const [value, against] = [samples.median(sample), samples.median(reference)];
    return {
      what: `${what}, Node ${node.version.slice(1)}`,
      value: `${value.toFixed(0)} ${unit}`,
      reference: `${against.toFixed(0)} ${unit} ${label}`,
      ratio: value / against,
      ...(goal !== undefined && { goal }),
    };
  };
  const supervisor = samples.median('supervisor rss');
  return [
    compare('`ph run` of JavaScript until ready', 'ms', 'ph js', 'bare', 'bare Piscina script', 2.5),
    compare('`ph run` of TypeScript until ready', 'ms', 'ph ts', 'bare', 'bare Piscina script', 2.5),
    compare(
      'KILL of a worker until its replacement is ready',
      'ms',
      'recovery',
      'first boot',
      'first boot',
      1.3,
    ),
    {
      what: `RSS of the supervisor, Node ${node.version.slice(1)}`,
      value: `${supervisor.toFixed(0)} MiB`,
      reference: '70 MB',
      ratio: (supervisor * 1.048576) / 70,
      goal: 1,
    },
    compare('RSS of a worker with 2 threads', 'MiB', 'worker rss', 'bare rss', 'bare Piscina script', 1.25),
  ];
}

const nodes = nodeBinaries();
const all: Figure[] = [];
for (const node of nodes) {
  const samples = new Samples();
  for (let round = 0; round < rounds; round++) {
    if (process.stderr.isTTY)
      process.stderr.write(`\rNode ${node.version}: round ${round + 1} of ${rounds} `);
    await measure(node, samples);
  }
  all.push(...figures(node, samples));
}
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
process.stdout.write(
  process.argv.includes('--json') ? `${JSON.stringify(all, null, 2)}\n` : `${formatFigures(all)}\n`,
);
