/** A real pool over a task module in a temporary project. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { createPool, type Pool, type PoolOptions } from 'processhandler';
import { cleanUp } from './cleanup.ts';
import { isAlive, until } from './processes.ts';
import { createProject, type Project } from './project.ts';

/** Tasks that many tests need. */
export const basicTasks = `
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';

export default value => value;
export const where = () => ({ pid: process.pid, threadId });
export const nap = ms => delay(ms, 'slept');
export const loop = () => { for (;;); };
export const die = signal => process.kill(process.pid, signal);
export const exit = code => process.exit(code);
/** Writes its first file when it has begun, and returns when somebody has made the second. */
export const wait = async ([begun, gate]) => {
  if (begun) writeFileSync(begun, '');
  while (!existsSync(gate)) await delay(2);
  return { pid: process.pid, threadId };
};
/** The same in two items: where it runs, and that it still does when somebody has made the file. */
export async function* hold(gate) {
  yield { pid: process.pid, threadId };
  while (!existsSync(gate)) await delay(2);
  yield 'unharmed';
}
`;

export interface Place {
  readonly pid: number;
  readonly threadId: number;
}

export interface PoolUnderTest {
  readonly pool: Pool;
  readonly project: Project;
  /** Every worker process that was ever ready. */
  readonly pids: ReadonlySet<number>;
}

/** What a failed crash loop would add to a test: tests kill processes on purpose. */
const forgiving = { restartDelay: 1, restartDelayMax: 50, maxRestarts: 1_000_000 } satisfies PoolOptions;

/** Over `basicTasks` and `source`. When the test ends it is destroyed, and no worker process of it is left. */
export async function startPool(
  t: TestContext,
  source = '',
  options: PoolOptions = {},
): Promise<PoolUnderTest> {
  const project = createProject(t, { 'tasks.mjs': basicTasks + source });
  const pool = await createPool(project.path('tasks.mjs'), {
    processes: 1,
    threads: 1,
    ...forgiving,
    ...options,
  });
  const pids = new Set(pidsOf(pool));
  pool.on('process:ready', ({ pid }) => pids.add(pid as number));
  pool.on('process:exit', ({ pid }) => pid !== undefined && pids.add(pid));
  cleanUp(t, async () => {
    await within(20_000, 'the pool is destroyed', pool.destroy());
    await until('no worker process is left', () => [...pids].every(pid => !isAlive(pid)));
  });
  return { pool, project, pids };
}

/** Of the worker processes that live now. */
export function pidsOf(pool: Pool): number[] {
  return pool.stats.processes.flatMap(({ pid }) => pid ?? []);
}

/** Of those that take tasks. */
export function readyPidsOf(pool: Pool): number[] {
  return pool.stats.processes.filter(({ state }) => state === 'ready').map(({ pid }) => pid as number);
}

/** Rejects where `promise` has not settled after `ms`: a test that hangs says where. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`waited ${ms} ms in vain until ${what}`)),
    () => new Promise<never>(() => {}),
  );
  return Promise.race([promise, late]).finally(() => timer.abort());
}

export type Outcome<T = unknown> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: Error & Record<string, unknown> };

/** What becomes of a promise, as a value. */
export function outcomeOf<T>(promise: Promise<T>): Promise<Outcome<T>> {
  return promise.then(
    value => ({ value }),
    error => ({ error }),
  );
}

/** The error that a promise rejects with. */
export async function errorOf(
  promise: Promise<unknown>,
  ms = 15_000,
): Promise<Error & Record<string, unknown>> {
  const { error, value } = await within(ms, 'the task settles', outcomeOf(promise));
  assert.ok(error !== undefined, `expected an error, got ${inspect(value)}`);
  return error;
}

/** All that a generator yields. */
export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Counts names of errors, and `'ok'`. */
export function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { error } of outcomes) {
    const key = error?.name ?? 'ok';
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** A file that holds tasks up until it is there. */
export interface Gate {
  readonly path: string;
  open(): void;
}

let gates = 0;

export function createGate({ project }: PoolUnderTest): Gate {
  const name = `gate-${++gates}`;
  return { path: project.path(name), open: () => void project.write(name, '') };
}

/** A task that has begun and goes on until it is let go. */
export interface Holder {
  readonly place: Place;
  /** Opens the gate, and says what came of the task: `'unharmed'`, or its error. */
  readonly end: Promise<Outcome>;
}

/** Holds up that many threads: resolves when a task has begun on each. */
export async function holdThreads(under: PoolUnderTest, count: number, gate: Gate): Promise<Holder[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const stream = under.pool.stream(gate.path, { name: 'hold' });
      const first = await within(20_000, 'a thread takes a task', stream.next());
      return { place: first.value as Place, end: outcomeOf(listOf(stream).then(([last]) => last)) };
    }),
  );
}

/** The pool works, on every one of its threads at the same time. */
export async function assertFullStrength(
  under: PoolUnderTest,
  processes: number,
  threads: number,
): Promise<void> {
  await until('all processes are ready', () => readyPidsOf(under.pool).length === processes, 20_000);
  const gate = createGate(under);
  const holders = await holdThreads(under, processes * threads, gate);
  gate.open();
  for (const { end } of holders) assert.equal((await end).value, 'unharmed');
  const places = holders.map(({ place: { pid, threadId } }) => `${pid}:${threadId}`);
  assert.equal(new Set(places).size, processes * threads, 'each on a thread of its own');
  assert.equal(new Set(holders.map(({ place }) => place.pid)).size, processes);
}

/** Resolves when a task has said so by writing the file. */
export async function untilBegun(file: string): Promise<void> {
  await until(`a task has written ${file}`, () => existsSync(file), 15_000);
}
