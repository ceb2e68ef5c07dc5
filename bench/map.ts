/** What an input costs: `ph map` against a process per input, by `xargs -P` and GNU parallel. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { availableCores } from '../src/config/cores.ts';
import { readOptions } from './lib/options.ts';
import { Progress } from './lib/progress.ts';
import { median } from './lib/statistics.ts';
import { formatTable } from './lib/table.ts';

const { json, quick, rounds = quick ? 1 : 3 } = readOptions('Measures what an input of ph map costs.');
const cores = availableCores();
const ph = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const module = fileURLToPath(new URL('./modules/double.mjs', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'bench-map-'));
const node = process.execPath;
const doubleOne = ['-e', 'console.log(process.argv[1] * 2)'];

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
  /** Enough that the start does not matter. */
  readonly inputs: number;
  /** Its memory is worth a look. */
  readonly isPh?: boolean;
}

const few = (count: number) => (quick ? Math.max(10, Math.round(count / 20)) : count);
const checkpointed = ['-o', join(scratch, 'out'), '--checkpoint', join(scratch, 'checkpoint')];
const contenders: readonly Contender[] = [
  { name: 'ph map', command: [node, ph, 'map', module], inputs: few(1_000_000), isPh: true },
  {
    name: 'ph map --output --checkpoint',
    command: [node, ph, 'map', module, ...checkpointed],
    inputs: few(1_000_000),
    isPh: true,
  },
  {
    name: `xargs -P ${cores} node`,
    command: ['xargs', '-P', `${cores}`, '-n', '1', node, ...doubleOne],
    inputs: few(100),
  },
  {
    name: `parallel -j ${cores} node`,
    command: ['parallel', '-j', `${cores}`, node, ...doubleOne.map(quote)],
    inputs: few(100),
  },
  {
    name: `xargs -P ${cores} true`,
    command: ['xargs', '-P', `${cores}`, '-n', '1', '/bin/true'],
    inputs: few(2000),
  },
  {
    name: `parallel -j ${cores} true`,
    command: ['parallel', '-j', `${cores}`, '/bin/true'],
    inputs: few(400),
  },
];

/** GNU parallel gives what it runs to a shell. */
function quote(word: string): string {
  return `'${word}'`;
}

interface Run {
  readonly seconds: number;
  /** The most that the process itself had, MiB. */
  readonly peak: number;
}

/** Over the numbers from 1 to `inputs`, one on each line. */
async function measure({ name, command: [program, ...args] }: Contender, inputs: number): Promise<Run> {
  const file = join(scratch, 'input');
  writeFileSync(file, Array.from({ length: inputs }, (_, i) => `${i + 1}\n`).join(''));
  for (const left of ['out', 'checkpoint']) rmSync(join(scratch, left), { force: true });
  const stdin = openSync(file, 'r');
  const begun = performance.now();
  const child = spawn(program as string, args, { stdio: [stdin, 'ignore', 'pipe'] });
  closeSync(stdin);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', chunk => {
    stderr += chunk;
  });
  let peak = 0;
  const sampler = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid as number));
  }, 50);
  const [code] = await once(child, 'exit');
  clearInterval(sampler);
  if (code !== 0) throw new Error(`${name} ended with code ${code}: ${stderr}`);
  return { seconds: (performance.now() - begun) / 1000, peak };
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

interface Result {
  readonly name: string;
  readonly inputs: number;
  /** s with one input: the start. */
  readonly start: number;
  /** µs for each further input. */
  readonly perInput: number;
  /** MiB. */
  readonly peak: number | undefined;
}

async function measureAll(): Promise<{ readonly results: Result[]; readonly notes: string[] }> {
  const results: Result[] = [];
  const notes: string[] = [];
  const progress = new Progress();
  for (const contender of contenders) {
    const { name, inputs, command, isPh } = contender;
    progress.show(name);
    if (spawnSync('sh', ['-c', `command -v ${command[0]}`]).status !== 0) {
      notes.push(`${name} was not measured: ${command[0]} is not installed.`);
      continue;
    }
    const [ones, alls]: [Run[], Run[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      ones.push(await measure(contender, 1));
      alls.push(await measure(contender, inputs));
    }
    const start = median(ones.map(({ seconds }) => seconds));
    const all = median(alls.map(({ seconds }) => seconds));
    const peak = isPh ? Math.max(...alls.map(run => run.peak)) : undefined;
    results.push({ name, inputs, start, perInput: ((all - start) / (inputs - 1)) * 1e6, peak });
  }
  progress.end();
  return { results, notes };
}

function format(results: readonly Result[], notes: readonly string[]): string {
  const rows = results.map(({ name, inputs, start, perInput, peak }) => [
    name,
    inputs.toLocaleString('en-US'),
    `${Math.round(start * 1000)} ms`,
    `${perInput < 100 ? perInput.toFixed(1) : Math.round(perInput).toLocaleString('en-US')} µs`,
    Math.round(1e6 / perInput).toLocaleString('en-US'),
    peak === undefined ? '' : `${Math.round(peak)} MiB`,
  ]);
  const header = ['', 'inputs', 'with one input', 'each further input', 'inputs/s', 'peak RSS'];
  return [
    `Node ${process.version.slice(1)}, ${cores} cores, ${rounds === 1 ? 'one round' : `medians of ${rounds} rounds`}.`,
    formatTable(header, rows),
    ...notes,
  ].join('\n\n');
}

try {
  const { results, notes } = await measureAll();
  process.stdout.write(
    json ? `${JSON.stringify({ results, notes }, null, 2)}\n` : `${format(results, notes)}\n`,
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
