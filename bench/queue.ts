/**
 * Queues: jobs that run on the threads of a worker process against a plain BullMQ worker that runs them itself, and
 * against BullMQ's own sandboxes; what becomes of locks while jobs need the CPU. Needs `redis-server`.
 */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { calibrate } from './lib/calibrate.ts';
import { readOptions } from './lib/options.ts';
import { Progress } from './lib/progress.ts';
import { median } from './lib/statistics.ts';
import { type Figure, formatFigures, type Goal, isMet } from './lib/table.ts';
import {
  type ConsumerOptions,
  consume,
  openQueue,
  scratch,
  startRedis,
  untilDone,
} from './queue/consumers.ts';

const { json, quick, scenario: chosen, rounds = quick ? 1 : 3 } = readOptions('Measures queues.');
const cores = availableParallelism();
/** Ms of a CPU job, and of one that is longer than its lock. */
const length = 10;
const longLength = 2500;
const longJobs = 8;
const shortLock = 1000;
const many = 16;

const progress = new Progress();
progress.show('calibrating the CPU jobs');
const turnsPerMs = await calibrate(cores);
const redis = await startRedis();
const samples = new Map<string, number[]>();
let stage = '';
let queues = 0;

type Kind = ConsumerOptions['kind'];

function add(what: string, value: number): void {
  samples.set(what, [...(samples.get(what) ?? []), value]);
}

const medianOf = (what: string) => median(samples.get(what) ?? []);

/** Jobs per second, from when half of them are done: the consumers have compiled their code then. */
async function addRate(
  what: string,
  kind: Kind,
  concurrency: number,
  count: number,
  turns: number,
): Promise<void> {
  progress.show(stage, what);
  const name = `bench-${++queues}`;
  const queue = openQueue(redis.url, name);
  await fill(queue, count, n => ({ n, turns }));
  const options = { kind, concurrency, threads: cores, processes: 1, lockDuration: 30_000 };
  const stop = await consume(redis.url, name, options);
  await untilDone(queue, count / 2);
  const { completed: before = 0 } = await queue.getJobCounts('completed');
  const begun = performance.now();
  await untilDone(queue, count);
  add(what, (count - before) / ((performance.now() - begun) / 1000));
  await stop();
  await queue.obliterate({ force: true });
  await queue.close();
}

async function fill(
  queue: ReturnType<typeof openQueue>,
  count: number,
  dataOf: (n: number) => unknown,
): Promise<void> {
  for (let from = 0; from < count; from += 1000) {
    const jobs = Array.from({ length: Math.min(1000, count - from) }, (_, at) => from + at);
    await queue.addBulk(jobs.map(n => ({ name: 'job', data: dataOf(n) })));
  }
}

/** Runs beyond one of each job, where jobs are longer than their locks and two processes consume. */
async function addRepeats(what: string, kind: Kind): Promise<void> {
  progress.show(stage, what);
  const name = `bench-${++queues}`;
  const runs = join(scratch, name);
  const queue = openQueue(redis.url, name);
  await fill(queue, longJobs, id => ({ id, runs, turns: longLength * turnsPerMs }));
  const options = { kind, concurrency: 2, threads: 1, processes: 2, lockDuration: shortLock };
  const stop = await consume(redis.url, name, options);
  await untilDone(queue, longJobs);
  const { failed = 0 } = await queue.getJobCounts('failed');
  add(what, readFileSync(runs, 'utf8').trimEnd().split('\n').length - longJobs);
  add(`${what} failed`, failed);
  await stop();
  await queue.obliterate({ force: true });
  await queue.close();
}

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
    reference: `${rate(against)} ${reference.replace(/, concurrency \d+$/, '')}`,
    ratio: value / against,
    goal,
  };
}

const share = quick ? 0.2 : 1;

const tinyConsumers: readonly { readonly kind: Kind; readonly name: string }[] = [
  { kind: 'inline', name: 'plain worker' },
  { kind: 'ph', name: 'ph' },
  { kind: 'processes', name: 'sandboxes in processes' },
  { kind: 'threads', name: 'sandboxes in threads' },
];

const scenarios: readonly Scenario[] = [
  {
    name: 'tiny',
    async run() {
      for (const concurrency of [many, cores]) {
        for (const { kind, name } of tinyConsumers) {
          await addRate(`${name}, concurrency ${concurrency}`, kind, concurrency, 40_000 * share, 0);
        }
      }
    },
    figures: () =>
      [many, cores].flatMap(concurrency => {
        const compare = (reference: string, goal: Goal) =>
          compareRates(
            `tiny jobs, concurrency ${concurrency}`,
            `ph, concurrency ${concurrency}`,
            `${reference}, concurrency ${concurrency}`,
            goal,
          );
        return [
          compare('plain worker', { atLeast: 0.9 }),
          compare('sandboxes in processes', { atLeast: 1.5 }),
          compare('sandboxes in threads', { atLeast: 1.5 }),
        ];
      }),
  },
  {
    name: 'cpu',
    async run() {
      const turns = length * turnsPerMs;
      for (const [what, kind] of [
        ['CPU: plain worker', 'inline'],
        ['CPU: ph', 'ph'],
        ['CPU: sandboxes in processes', 'processes'],
        ['CPU: sandboxes in threads', 'threads'],
      ] as const) {
        await addRate(what, kind, cores, 1000 * share, turns);
      }
    },
    figures: () => [
      compareRates(`jobs of ${length} ms CPU`, 'CPU: ph', 'CPU: plain worker', { atLeast: 1 }),
      compareRates(`jobs of ${length} ms CPU`, 'CPU: ph', 'CPU: sandboxes in processes', { atLeast: 1 }),
      compareRates(`jobs of ${length} ms CPU`, 'CPU: ph', 'CPU: sandboxes in threads', { atLeast: 1 }),
    ],
  },
  {
    name: 'locks',
    async run() {
      await addRepeats('repeats: ph', 'ph');
      await addRepeats('repeats: plain worker', 'inline');
    },
    figures: () => {
      const [ours, theirs] = [medianOf('repeats: ph'), medianOf('repeats: plain worker')];
      const failures = medianOf('repeats: plain worker failed');
      return [
        {
          what: `runs beyond one each of ${longJobs} jobs of ${longLength / 1000} s CPU with locks of ${shortLock / 1000} s`,
          value: String(ours),
          reference: `${theirs}, and ${failures} jobs failed: plain worker`,
          ratio: ours,
          goal: { atMost: 0 },
        },
      ];
    },
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
await redis.stop();
const figures = selected.flatMap(({ figures }) => figures());
if (json) {
  const all = figures.map(figure => ({ ...figure, met: figure.goal && isMet(figure.ratio, figure.goal) }));
  const report = { node: process.version, cores, rounds, figures: all, samples: Object.fromEntries(samples) };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
} else {
  process.stdout.write(`${formatFigures(figures)}\n`);
}
