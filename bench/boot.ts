/** Boot and recovery: how long until `ph run` is ready, how long a killed worker is missing, and what it all weighs. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type NodeBinary, nodeBinaries, thisNode } from './lib/node.ts';
import { readOptions } from './lib/options.ts';
import { childrenOf, rss } from './lib/processes.ts';
import { Progress } from './lib/progress.ts';
import { median } from './lib/statistics.ts';
import { type Figure, formatFigures } from './lib/table.ts';

const { json, quick, rounds = quick ? 1 : 11 } = readOptions('Measures boot and recovery.');
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
    atMost?: number,
  ): Figure => {
    const [value, against] = [samples.median(sample), samples.median(reference)];
    return {
      what: `${what}, Node ${node.version.slice(1)}`,
      value: `${value.toFixed(0)} ${unit}`,
      reference: `${against.toFixed(0)} ${unit} ${label}`,
      ratio: value / against,
      ...(atMost !== undefined && { goal: { atMost } }),
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
      goal: { atMost: 1 },
    },
    compare('RSS of a worker with 2 threads', 'MiB', 'worker rss', 'bare rss', 'bare Piscina script', 1.25),
  ];
}

const all: Figure[] = [];
const progress = new Progress();
for (const node of quick ? [thisNode] : nodeBinaries()) {
  const samples = new Samples();
  for (let round = 1; round <= rounds; round++) {
    progress.show(`boot and recovery, Node ${node.version.slice(1)}, round ${round} of ${rounds}`);
    await measure(node, samples);
  }
  all.push(...figures(node, samples));
}
progress.end();
process.stdout.write(json ? `${JSON.stringify(all, null, 2)}\n` : `${formatFigures(all)}\n`);
