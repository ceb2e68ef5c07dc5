/** Ways in which a task can fail, by the stage of its life at which it does. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type Pool, WorkerCrashError } from 'processhandler';
import {
  assertCrash,
  crashesBy,
  type Failure,
  isCloneError,
  isRangeError,
  isThreadExit,
  runs,
} from './failure.ts';
import { errorOf } from './pool.ts';
import type { Project } from './project.ts';

const signals = ['SIGABRT', 'SIGSEGV', 'SIGKILL'] as const;

/** The process has been stopped, so that it takes in no more than fits into a socket's buffer. */
function endsWhileReceiving(signal: NodeJS.Signals): Failure['happen'] {
  return async pool => {
    const pids = pool.stats.processes
      .filter(({ state }) => state === 'ready')
      .map(({ pid }) => pid as number);
    const idle = pool.stats.processes
      .filter(({ state }) => state === 'ready')
      .sort((a, b) => a.outstanding - b.outstanding);
    const pid = idle[0]?.pid as number;
    process.kill(pid, 'SIGSTOP');
    const before = idle[0]?.outstanding as number;
    const failed = errorOf(pool.run(Buffer.alloc(16 * 2 ** 20)));
    // It is sent at the end of this turn.
    await new Promise(setImmediate);
    const sentThere = pool.stats.processes.find(process => process.pid === pid)?.outstanding === before + 1;
    process.kill(pid, signal);
    process.kill(pid, 'SIGCONT');
    assert.ok(sentThere, 'the task went to the least loaded process');
    const error = await failed;
    assertCrash(error, 'default', signal, pids);
    assert.equal(error.pid, pid);
    return error;
  };
}

/** This process does not read while the worker sends: more than fits into a socket's buffer is lost for sure. */
async function killWhileSending(pool: Pool, project: Project): Promise<Error> {
  const pids = pool.stats.processes.map(({ pid }) => pid as number);
  const file = project.path(`sends-${performance.now()}`);
  const failed = errorOf(pool.run(file, { name: 'returningBig' }));
  await new Promise(setImmediate);
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') Atomics.wait(sleeper, 0, 0, 2);
  Atomics.wait(sleeper, 0, 0, 100);
  process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
  const error = await failed;
  assertCrash(error, 'returningBig', 'SIGKILL', pids);
  return error;
}

/** Few bytes on the way, and many in a heap. */
const manyMaps = () => Array.from({ length: 300_000 }, () => new Map());

function nested(depth: number): unknown {
  let value: unknown = 'bottom';
  for (let i = 0; i < depth; i++) value = { value };
  return value;
}

const serialisingArguments: readonly Failure[] = [
  ...Object.entries({
    'a function': () => () => {},
    'a function deep in a Map': () => new Map([['key', [{ f: () => {} }]]]),
    'a symbol': () => ({ s: Symbol('mine') }),
  }).map(([what, payload], at) => ({
    what,
    typical: at === 0,
    happen: runs('default', payload, isCloneError),
  })),
  {
    what: 'a getter that throws',
    happen: runs(
      'default',
      () => ({
        fine: 1,
        get broken() {
          throw new RangeError('not readable');
        },
      }),
      isRangeError(/^not readable$/),
    ),
  },
  {
    what: 'a getter in a Map that throws',
    happen: runs(
      'default',
      () =>
        new Map([
          [
            'key',
            {
              get broken() {
                throw new RangeError('not readable');
              },
            },
          ],
        ]),
      isRangeError(/^not readable$/),
    ),
  },
].map(failure => ({ stage: 'serialising arguments', cost: 'task', ...failure }));

const deserialisingArguments: readonly Failure[] = [
  {
    what: 'deeper than the stack of a thread',
    cost: 'task',
    smallStack: true,
    happen: runs('default', () => nested(1500), isRangeError(/call stack/)),
  } as const,
  {
    what: 'larger than the heap of a thread',
    cost: 'thread',
    typical: true,
    mayCostProcess: true,
    happen: runs('default', manyMaps, (error, pids) => {
      if (error instanceof WorkerCrashError) assertCrash(error, 'default', 'SIGABRT', pids);
      else isThreadExit(/out of memory/)(error);
    }),
  } as const,
  ...signals.map(
    signal =>
      ({
        what: `${signal} before all has arrived`,
        cost: 'process',
        happen: endsWhileReceiving(signal),
      }) as const,
  ),
].map(failure => ({ stage: 'deserialising arguments', ...failure }));

const running: readonly Failure[] = [
  {
    what: 'an error',
    cost: 'task',
    typical: true,
    happen: runs('doing', () => ['throw', 'mine'], isRangeError(/^mine$/)),
  } as const,
  {
    what: 'endless recursion',
    cost: 'task',
    happen: runs('doing', () => ['recurse'], isRangeError(/call stack/)),
  } as const,
  {
    what: 'a thrown value that is no error',
    cost: 'task',
    happen: runs(
      'doing',
      () => ['throwValue'],
      error => assert.deepEqual(error, { not: 'an error' }),
    ),
  } as const,
  {
    what: 'a thrown value that cannot be looked at',
    cost: 'task',
    happen: runs(
      'doing',
      () => ['throwRevoked'],
      error => assert.match(String(error), /revoked/),
    ),
  } as const,
  {
    what: 'an error whose own getter throws',
    cost: 'task',
    happen: runs(
      'doing',
      () => ['throwTrap'],
      error => assert.ok(error instanceof Error),
    ),
  } as const,
  {
    what: 'an error outside of its call',
    cost: 'thread',
    happen: runs('doing', () => ['stray', 'mine'], isRangeError(/^mine$/)),
  } as const,
  ...[0, 3, -1].map(
    code =>
      ({
        what: `process.exit(${code})`,
        cost: 'thread',
        typical: code === 3,
        happen: runs('doing', () => ['exit', code], isThreadExit(new RegExp(`exited with code ${code}$`))),
      }) as const,
  ),
  {
    what: 'out of memory of its thread',
    cost: 'thread',
    typical: true,
    happen: runs('doing', () => ['hog'], isThreadExit(/out of memory/)),
  } as const,
  ...signals.map(
    signal =>
      ({
        what: signal,
        cost: 'process',
        typical: true,
        happen: runs('doing', () => ['signal', signal], crashesBy('doing', signal)),
      }) as const,
  ),
  {
    what: 'out of memory of its process',
    cost: 'process',
    typical: true,
    happen: runs(
      'doing',
      () => ['hogMain'],
      (error, pids) => {
        assertCrash(error, 'doing', 'SIGABRT', pids);
        assert.match(error.reason, /^ran out of JavaScript heap memory|while draining$/);
      },
    ),
  } as const,
].map(failure => ({ stage: 'running', ...failure }));

const serialisingResults: readonly Failure[] = [
  {
    what: 'a function',
    cost: 'task',
    typical: true,
    happen: runs('returningFunction', () => 0, isCloneError),
  } as const,
  { what: 'a symbol', cost: 'task', happen: runs('returningSymbol', () => 0, isCloneError) } as const,
  {
    what: 'a getter that throws',
    cost: 'task',
    typical: true,
    happen: runs('returning', () => ['throw', 'mine'], isRangeError(/^mine$/)),
  } as const,
  {
    what: 'a getter in a Map that throws',
    cost: 'task',
    happen: runs('returningMap', () => ['throw', 'mine'], isRangeError(/^mine$/)),
  } as const,
  {
    what: 'a getter that calls process.exit()',
    cost: 'thread',
    typical: true,
    happen: runs('returning', () => ['exit', 3], isThreadExit(/exited with code 3$/)),
  } as const,
  {
    what: 'a getter in a Map that calls process.exit()',
    cost: 'thread',
    happen: runs('returningMap', () => ['exit', 3], isThreadExit(/exited with code 3$/)),
  } as const,
  {
    what: 'a getter that fills the memory of its thread',
    cost: 'thread',
    happen: runs('returning', () => ['hog'], isThreadExit(/out of memory/)),
  } as const,
  ...signals.map(
    signal =>
      ({
        what: `a getter that ends its process by ${signal}`,
        cost: 'process',
        typical: signal === 'SIGSEGV',
        happen: runs('returning', () => ['signal', signal], crashesBy('returning', signal)),
      }) as const,
  ),
].map(failure => ({ stage: 'serialising the result', ...failure }));

const deserialisingResults: readonly Failure[] = [
  {
    stage: 'deserialising the result',
    what: 'deeper than the stack of the caller',
    cost: 'task',
    typical: true,
    happen: runs('returningDeep', () => 6000, isRangeError(/call stack/)),
  },
  {
    stage: 'deserialising the result',
    what: 'SIGKILL before all has arrived',
    cost: 'process',
    happen: killWhileSending,
  },
];

export const failures: readonly Failure[] = [
  ...serialisingArguments,
  ...deserialisingArguments,
  ...running,
  ...serialisingResults,
  ...deserialisingResults,
];

/** Those that can happen in a pool that is busy, or about to close. */
const typicalFailures = failures.filter(({ typical, smallStack }) => typical && !smallStack);

/** Of each stage one for each cost. */
export const fewFailures = typicalFailures.filter(
  ({ stage, cost }, at) =>
    typicalFailures.findIndex(other => other.stage === stage && other.cost === cost) === at,
);
