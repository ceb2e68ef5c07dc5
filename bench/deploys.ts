/** What clients notice of deploys: latencies and failures while workers are replaced, against those of quiet times. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { failuresOf, type Load, type LoadOptions, startLoad } from '../test/helpers/load.ts';
import { readOptions } from './lib/options.ts';
import { Progress } from './lib/progress.ts';
import { median } from './lib/statistics.ts';
import { type Figure, formatFigures } from './lib/table.ts';

const { json, quick, rounds = quick ? 1 : 3 } = readOptions('Measures what clients notice of deploys.');
const ph = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const service = fileURLToPath(new URL('./modules/http.mjs', import.meta.url));
const workers = 2;
const connections = 10;

/** A supervisor, through all of its upgrades. */
class Deployment {
  readonly #directory = mkdtempSync(join(tmpdir(), 'ph-bench-'));
  readonly #child: ChildProcess;
  readonly #seen: string[] = [];
  #wake: () => void = () => {};

  constructor() {
    const keys = { bind: '127.0.0.1:0', threads: 0, pidfile: join(this.#directory, 'ph.pid') };
    const set = Object.entries(keys).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    this.#child = spawn(process.execPath, [ph, 'run', service, '-w', String(workers), ...set], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    createInterface({ input: this.#child.stderr as NonNullable<ChildProcess['stderr']> }).on('line', line => {
      this.#seen.push(line);
      this.#wake();
    });
  }

  /** The line of the log that says where it listens, once it is ready. */
  async ready(): Promise<string> {
    await this.#lines('"all workers ready"', 1, 0);
    const [address] = this.#seen.flatMap(line => /"listening on ([^"]+)"/.exec(line)?.[1] ?? []);
    return address as string;
  }

  async reload(): Promise<void> {
    await this.#signal('SIGHUP', '"exit":"drained"', workers);
  }

  async upgrade(): Promise<void> {
    await this.#signal('SIGUSR2', '"msg":"stopped"', 1);
  }

  async scale(): Promise<void> {
    await this.#signal('SIGTTIN', ' ready after ', 1);
    await this.#signal('SIGTTOU', '"exit":"drained"', 1);
  }

  async stop(): Promise<void> {
    process.kill(this.#pid, 'SIGTERM');
    await once(this.#child, 'close');
    rmSync(this.#directory, { recursive: true });
  }

  get #pid(): number {
    return Number(readFileSync(join(this.#directory, 'ph.pid'), 'utf8'));
  }

  async #signal(signal: NodeJS.Signals, follows: string, count: number): Promise<void> {
    const from = this.#seen.length;
    process.kill(this.#pid, signal);
    await this.#lines(follows, count, from);
  }

  /** Resolves when so many lines with that text have come after the first `from`. */
  async #lines(text: string, count: number, from: number): Promise<void> {
    while (this.#seen.slice(from).filter(line => line.includes(text)).length < count) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}

interface Phase {
  readonly name: string;
  readonly run: (deployment: Deployment) => Promise<void>;
}

const repeat = async (times: number, action: () => Promise<void>) => {
  for (let round = 0; round < times; round++) await action();
};
const quiet: Phase = { name: 'quiet', run: () => delay(quick ? 1000 : 4000) };
const deploys: readonly Phase[] = [
  { name: 'reload', run: deployment => repeat(quick ? 1 : 5, () => deployment.reload()) },
  { name: 'scale', run: deployment => repeat(quick ? 1 : 5, () => deployment.scale()) },
  { name: 'upgrade', run: deployment => repeat(quick ? 1 : 3, () => deployment.upgrade()) },
];

/** What one phase came to in all rounds. */
interface Samples {
  readonly p99: number[];
  requests: number;
  failures: number;
}

const kinds: readonly LoadOptions['connection'][] = ['keep-alive', 'close'];
const samples = new Map<string, Samples>();

async function measure(deployment: Deployment, load: Load, key: string, phase: Phase): Promise<void> {
  await load.lap();
  await phase.run(deployment);
  const result = await load.lap();
  const sample = samples.get(key) ?? { p99: [], requests: 0, failures: 0 };
  sample.p99.push(result.latency.p99);
  sample.requests += result.answered;
  sample.failures += failuresOf(result);
  samples.set(key, sample);
}

const progress = new Progress();
const deployment = new Deployment();
const url = `http://${await deployment.ready()}`;
for (let round = 1; round <= rounds; round++) {
  for (const connection of kinds) {
    const load = startLoad({ url, connections, connection });
    await delay(500);
    for (const phase of [quiet, ...deploys]) {
      progress.show(`deploys under load, ${connection}, ${phase.name}, round ${round} of ${rounds}`);
      await measure(deployment, load, `${phase.name} ${connection}`, phase);
    }
    load.end();
  }
}
await deployment.stop();
progress.end();

const figures = kinds.flatMap(connection => {
  const title = connection === 'close' ? 'a connection per request' : 'connections that are kept';
  const p99 = (key: string) => median(samples.get(key)?.p99 ?? []);
  return deploys.flatMap(({ name }): Figure[] => {
    const [value, reference] = [p99(`${name} ${connection}`), p99(`${quiet.name} ${connection}`)];
    const { requests = 0, failures = 0 } = samples.get(`${name} ${connection}`) ?? {};
    return [
      {
        what: `${name}, ${title}: p99`,
        value: `${value.toFixed(1)} ms`,
        reference: `${reference.toFixed(1)} ms in quiet times`,
        ratio: value / reference,
        goal: { atMost: 2 },
      },
      {
        what: `${name}, ${title}: failed requests`,
        value: String(failures),
        reference: `of ${requests}`,
        ratio: failures / requests,
        goal: { atMost: 0 },
      },
    ];
  });
});
process.stdout.write(json ? `${JSON.stringify(figures, null, 2)}\n` : `${formatFigures(figures)}\n`);
