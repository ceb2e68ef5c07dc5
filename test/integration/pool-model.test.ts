import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { Pool } from 'processhandler';
import { assertFullStrength, type Outcome, outcomeOf, pidsOf, startPool, within } from '../helpers/pool.ts';
import { isAlive } from '../helpers/processes.ts';

const tasks = `
export const tiny = (input, { attempt }) => ({ input, result: input * 2, attempt });
export const slow = async ({ input, ms }, { attempt, signal }) => { await delay(ms, undefined, { signal }); return { input, result: input * 2, attempt }; };
export const busy = ({ input, ms }, { attempt }) => { const end = performance.now() + ms; while (performance.now() < end); return { input, result: input * 2, attempt }; };
export const throwing = input => { throw new RangeError('threw ' + input); };
export const endless = () => { for (;;); };
export const exiting = () => process.exit(1);
export async function* counting({ input, to }) { for (let n = 0; n < to; n++) yield input + n; }
`;

const milliseconds = fc.integer({ min: 0, max: 15 });
const limits = fc.record(
  {
    timeout: fc.integer({ min: 20, max: 60 }),
    queueTimeout: fc.integer({ min: 1, max: 40 }),
    priority: fc.integer({ min: -2, max: 2 }),
    retries: fc.integer({ min: 0, max: 2 }),
  },
  { requiredKeys: [] },
);

const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('tiny' as const),
      count: fc.integer({ min: 1, max: 60 }),
      limits,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('slow' as const), ms: milliseconds, limits }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('busy' as const), ms: milliseconds, limits }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('throwing' as const), limits }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('endless' as const), timeout: fc.integer({ min: 10, max: 40 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('exiting' as const), limits }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('counting' as const),
      to: fc.integer({ min: 0, max: 50 }),
      take: fc.integer({ min: 0, max: 60 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kill' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), which: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: milliseconds }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('await' as const), which: fc.nat() }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface Limits {
  readonly timeout?: number;
  readonly queueTimeout?: number;
  readonly priority?: number;
  readonly retries?: number;
}

interface Expectation {
  readonly name: string;
  readonly input: number;
  readonly options: Limits;
  readonly controller: AbortController;
  readonly outcome: Promise<Outcome>;
  settled: number;
}

class Run {
  readonly #pool: Pool;
  readonly #tasks: Expectation[] = [];
  readonly #told = new Set<number>();
  #kills = 0;
  #drains = 0;
  #toldTwice = 0;

  /** Tasks that share a thread go with it. */
  readonly #isShared: boolean;

  constructor(pool: Pool, isShared: boolean) {
    this.#pool = pool;
    this.#isShared = isShared;
    pool.on('task:error', (_, { id }) => {
      if (this.#told.has(id)) this.#toldTwice++;
      this.#told.add(id);
    });
  }

  async perform(step: Command): Promise<void> {
    switch (step.do) {
      case 'tiny':
        for (let n = 0; n < step.count; n++) this.#run('tiny', input => input, step.limits);
        break;
      case 'slow':
      case 'busy':
        this.#run(step.do, input => ({ input, ms: step.ms }), step.limits);
        break;
      case 'throwing':
      case 'exiting':
        this.#run(step.do, input => input, step.limits);
        break;
      case 'endless':
        this.#run('endless', input => input, { timeout: step.timeout });
        break;
      case 'counting':
        this.#count(step.to, step.take);
        break;
      case 'abort':
        this.#pick(step.which)?.controller.abort();
        break;
      case 'kill':
        if (this.#signal(step.which, 'SIGKILL')) this.#kills++;
        break;
      // A process that somebody else tells to end loses nothing; one that boots has nothing, and counts as a crash.
      case 'drain':
        if (this.#signal(step.which, 'SIGTERM')) this.#drains++;
        break;
      case 'wait':
        await delay(step.ms);
        break;
      case 'await':
        await within(20_000, 'a task settles', Promise.resolve(this.#pick(step.which)?.outcome));
        break;
    }
  }

  async check(): Promise<void> {
    const pool = this.#pool;
    await within(20_000, 'all tasks settle', Promise.all(this.#tasks.map(({ outcome }) => outcome)));
    let ok = 0;
    let failed = 0;
    let repeated = 0;
    for (const task of this.#tasks) {
      const outcome = await task.outcome;
      assert.equal(task.settled, 1);
      if (outcome.error) failed++;
      else ok++;
      repeated += this.#checkOutcome(task, outcome);
    }
    const { pending, completed, failed: counted, retried, queueSize, crashes } = pool.stats;
    assert.deepEqual(
      { pending, queueSize, completed, failed: counted },
      { pending: 0, queueSize: 0, completed: ok, failed },
    );
    assert.equal(this.#told.size, failed, 'of each that failed an event');
    assert.equal(this.#toldTwice, 0);
    assert.ok(retried >= repeated);
    assert.ok(crashes <= this.#kills + this.#drains);
  }

  /** Whether it can be: returns how often it was run again. */
  #checkOutcome({ name, input, options, controller }: Expectation, { value, error }: Outcome): number {
    if (error === undefined) {
      assert.ok(name !== 'throwing' && name !== 'endless' && name !== 'exiting', `${name} cannot succeed`);
      if (name === 'counting') return 0;
      const { attempt, ...rest } = value as { attempt: number };
      assert.deepEqual(rest, { input, result: input * 2 }, 'the result of its own input');
      assert.ok(attempt >= 1 && attempt <= 1 + (options.retries ?? 0));
      return attempt - 1;
    }
    switch (error.name) {
      case 'RangeError':
        assert.equal(error.message, `threw ${input}`);
        break;
      case 'AbortError':
        assert.ok(controller.signal.aborted, `nobody has aborted it: ${error.stack}`);
        break;
      case 'TaskTimeoutError':
        assert.ok(options.timeout !== undefined);
        break;
      case 'QueueTimeoutError':
        assert.ok(options.queueTimeout !== undefined);
        break;
      case 'WorkerCrashError':
        assert.ok(this.#kills > 0);
        assert.equal((error.task as { attempt: number }).attempt, 1 + (options.retries ?? 0));
        break;
      case 'ThreadExitError':
        assert.ok(name === 'exiting' || this.#isShared);
        break;
      default:
        assert.fail(`${name} cannot end by ${error.stack}`);
    }
    return 0;
  }

  #run(name: string, payload: (input: number) => unknown, options: Limits): void {
    const input = this.#tasks.length;
    const controller = new AbortController();
    this.#add(
      name,
      input,
      options,
      controller,
      this.#pool.run(payload(input), { name, ...options, signal: controller.signal }),
    );
  }

  /** Reads some items of a stream; its own are those from `input` on. */
  #count(to: number, take: number): void {
    const input = this.#tasks.length;
    const controller = new AbortController();
    const read = async () => {
      let next = input;
      const options = { name: 'counting', signal: controller.signal, highWaterMark: 4 };
      for await (const item of this.#pool.stream({ input, to }, options)) {
        assert.equal(item, next++);
        // One that leaves has its answer; the pool counts the task as aborted.
        if (next - input > take) controller.signal.throwIfAborted();
      }
      assert.equal(next, input + to);
    };
    this.#add('counting', input, {}, controller, read());
  }

  #add(name: string, input: number, options: Limits, controller: AbortController, promise: Promise<unknown>) {
    const task = { name, input, options, controller, outcome: outcomeOf(promise), settled: 0 };
    promise.then(
      () => task.settled++,
      () => task.settled++,
    );
    this.#tasks.push(task);
  }

  /** Sends it to one of the worker processes, whatever that is at. */
  #signal(which: number, signal: NodeJS.Signals): boolean {
    const pids = pidsOf(this.#pool).filter(isAlive);
    const pid = pids[which % pids.length];
    if (pid !== undefined) process.kill(pid, signal);
    return pid !== undefined;
  }

  #pick(which: number): Expectation | undefined {
    return this.#tasks[which % Math.max(1, this.#tasks.length)];
  }
}

test('any row of tasks, aborts, kills and time limits settles each promise once, with what is its own', async t => {
  const steps = fc.array(command, { minLength: 15, maxLength: 50, size: 'max' });
  const options = fc.record({
    threads: fc.integer({ min: 1, max: 2 }),
    concurrentTasksPerWorker: fc.constantFrom(1, 1, 4),
    maxTasksPerProcess: fc.constantFrom(0, 0, 50),
  });
  const property = fc.asyncProperty(steps, options, fc.boolean(), async (steps, options, closeAtOnce) => {
    const under = await startPool(t, tasks, { processes: 2, abortGrace: 20, ...options });
    const { pool } = under;
    const run = new Run(pool, options.concurrentTasksPerWorker > 1);
    try {
      for (const step of steps) await run.perform(step);
      if (closeAtOnce) await within(20_000, 'the pool is closed', pool.close());
      await run.check();
      if (!closeAtOnce && options.concurrentTasksPerWorker === 1) {
        await assertFullStrength(under, 2, options.threads);
      }
      await within(20_000, 'the pool is closed', pool.close());
      assert.deepEqual([...under.pids].filter(isAlive), []);
    } finally {
      await pool.destroy();
    }
  });
  // What is random in it is not only what was drawn: the same row again may go well.
  await fc.assert(property, { numRuns: 5, endOnFailure: true });
});
