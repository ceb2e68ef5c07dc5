/** One way in which a task of a pool can fail: what makes it, and what its caller is to be told. */

import assert from 'node:assert/strict';
import { type Pool, ThreadExitError, WorkerCrashError } from 'processhandler';
import { errorOf } from './pool.ts';
import type { Project } from './project.ts';

export interface Failure {
  readonly stage:
    | 'serialising arguments'
    | 'deserialising arguments'
    | 'running'
    | 'serialising the result'
    | 'deserialising the result';
  readonly what: string;
  /** What goes with the task: it alone, its thread, or its process. */
  readonly cost: 'task' | 'thread' | 'process';
  /** Node may end the whole process where it should have ended a thread. */
  readonly mayCostProcess?: boolean;
  /** Needs threads with little room for their stacks. */
  readonly smallStack?: boolean;
  /** Stands for others of its kind where not all can be tried. */
  readonly typical?: boolean;
  /** Resolves to the error that the caller gets, when that has been checked. */
  readonly happen: (pool: Pool, project: Project) => Promise<Error>;
}

/** What it did cost, by the error that came of it. */
export function costOf({ cost, mayCostProcess }: Failure, error: Error): Failure['cost'] {
  return mayCostProcess && error instanceof WorkerCrashError ? 'process' : cost;
}

/** Payloads that the caller can send are too deep for such a thread. */
export const smallStack = { stackSizeMb: 0.5 };

/** Heaps, of the main thread too, that are full in no time; other limits are without effect beside it. */
export const smallHeap = { ...process.env, NODE_OPTIONS: '--max-old-space-size=40' };

export const failingTasks = `
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const hog = () => { let list; for (;;) list = { list }; };
const channel = new BroadcastChannel('main');
if (isMainThread) channel.onmessage = hog;
channel.unref?.();

/** What happens in a task, or in a getter of its result. */
const deeds = {
  exit: code => process.exit(code),
  signal: signal => process.kill(process.pid, signal),
  hog,
  throw: message => { throw new RangeError(message); },
  // Waits for its end, as the main thread cannot be waited for in one turn.
  hogMain: () => new Promise(() => channel.postMessage(0)),
  stray: message => new Promise(() => setTimeout(() => { throw new RangeError(message); }, 1)),
  recurse: function recurse() { return recurse() + 1; },
  throwValue: () => { throw { not: 'an error' }; },
  throwRevoked: () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy; },
  throwTrap: () => { throw Object.defineProperty(new Error('outer'), 'trap', { enumerable: true, get() { throw new RangeError('trapped'); } }); },
};
export const doing = ([deed, argument]) => deeds[deed](argument);
export const returning = ([deed, argument]) => ({ fine: 1, get broken() { return deeds[deed](argument); } });
export const returningMap = ([deed, argument]) => new Map([['fine', 1], ['broken', { get broken() { return deeds[deed](argument); } }]]);
export const returningFunction = () => ({ nested: [() => {}] });
export const returningSymbol = () => Symbol('mine');
export const returningDeep = depth => { let value = 'bottom'; for (let i = 0; i < depth; i++) value = { value }; return value; };
export const returningBig = file => { writeFileSync(file, String(process.pid)); return Buffer.alloc(16 * 2 ** 20, 7); };
`;

export function isCloneError(error: Error): void {
  assert.equal(error.name, 'DataCloneError', String(error));
  assert.match(error.message, /could not be cloned/);
}

/** A `RangeError` of the user, whole. */
export function isRangeError(message: RegExp): (error: Error) => void {
  return error => {
    assert.ok(error instanceof RangeError, `a RangeError, not ${error.stack}`);
    assert.match(error.message, message);
  };
}

export function isThreadExit(reason: RegExp): (error: Error) => void {
  return error => {
    assert.ok(error instanceof ThreadExitError, `a ThreadExitError, not ${error.stack}`);
    assert.equal(error.code, 'PH_ERR_THREAD_EXIT');
    assert.match(error.message, reason);
  };
}

/** `pids` are those that may have crashed. */
export function assertCrash(
  error: unknown,
  name: string,
  signal: NodeJS.Signals | null,
  pids: readonly number[],
): asserts error is WorkerCrashError {
  assert.ok(error instanceof WorkerCrashError, `a WorkerCrashError, not ${(error as Error)?.stack}`);
  assert.equal(error.code, 'PH_ERR_WORKER_CRASH');
  assert.equal(error.signal, signal);
  assert.equal(error.exitCode, null);
  assert.ok(pids.includes(error.pid as number), `${error.pid} is one of ${pids}`);
  assert.match(
    error.reason,
    signal === 'SIGABRT' ? /SIGABRT|heap memory/ : new RegExp(`killed by ${signal}`),
  );
  assert.deepEqual(error.task, { id: error.task.id, name, attempt: 1 });
  assert.equal(typeof error.task.id, 'number');
}

export function runs(
  name: string,
  payload: () => unknown,
  check: (error: Error, pids: readonly number[]) => void,
): Failure['happen'] {
  return async pool => {
    const pids = pool.stats.processes.map(({ pid }) => pid as number);
    const error = await errorOf(pool.run(payload(), { name }));
    check(error, pids);
    return error;
  };
}

export const crashesBy = (name: string, signal: NodeJS.Signals) => (error: Error, pids: readonly number[]) =>
  assertCrash(error, name, signal, pids);
