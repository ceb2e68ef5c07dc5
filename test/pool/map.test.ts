/** Many inputs, a bounded number of them at a time. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { mapTasks } from '../../src/pool/map.ts';
import { withResolvers } from '../../src/promise.ts';
import { within } from '../helpers/pool.ts';

/** Tasks that end when the test says so. */
class Runs {
  readonly begun: number[] = [];
  readonly #open = new Map<number, { resolve: (value: string) => void; reject: (error: unknown) => void }>();
  most = 0;

  run = (input: number): Promise<string> => {
    const { promise, resolve, reject } = withResolvers<string>();
    this.begun.push(input);
    this.#open.set(input, { resolve, reject });
    this.most = Math.max(this.most, this.#open.size);
    return promise;
  };

  get open(): number[] {
    return [...this.#open.keys()];
  }

  end(input: number): void {
    this.#open.get(input)?.resolve(`result ${input}`);
    this.#open.delete(input);
  }

  fail(input: number, error: unknown): void {
    this.#open.get(input)?.reject(error);
    this.#open.delete(input);
  }
}

/** Numbers from 0 on, which say how many were taken and whether they were let go. */
class Source {
  taken = 0;
  isClosed = false;
  readonly #count: number;

  constructor(count = Number.POSITIVE_INFINITY) {
    this.#count = count;
  }

  *[Symbol.iterator]() {
    try {
      for (let n = 0; n < this.#count; n++) {
        this.taken++;
        yield n;
      }
    } finally {
      this.isClosed = true;
    }
  }
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const patient = <T>(promise: Promise<T>) => within(5000, 'there is a result', promise);

test('results come in the order of the inputs, whichever ends first', async () => {
  const runs = new Runs();
  const results = mapTasks([1, 2, 3], runs.run, { concurrency: 3, ordered: true });
  const first = results.next();
  await nextTurn();
  for (const n of [3, 2, 1]) runs.end(n);
  assert.equal((await first).value, 'result 1');
  assert.deepEqual(await listOf(results), ['result 2', 'result 3']);
});

test('unordered results come as they are there', async () => {
  const runs = new Runs();
  const results = mapTasks([1, 2, 3], runs.run, { concurrency: 3, ordered: false });
  const order: unknown[] = [];
  let next = results.next();
  await nextTurn();
  for (const n of [2, 3, 1]) {
    runs.end(n);
    order.push((await next).value);
    next = results.next();
  }
  assert.deepEqual(order, ['result 2', 'result 3', 'result 1']);
  assert.equal((await next).done, true);
});

for (const ordered of [true, false]) {
  const how = ordered ? 'ordered' : 'unordered';

  test(`${how}: each input gives one result, whatever the concurrency`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5)), fc.integer({ min: 1, max: 9 }), async (waits, concurrency) => {
        let running = 0;
        let most = 0;
        const run = async (n: number) => {
          most = Math.max(most, ++running);
          for (let i = 0; i < (waits[n] as number); i++) await nextTurn();
          running--;
          return n;
        };
        const results = await listOf(mapTasks(waits.keys(), run, { concurrency, ordered }));
        const expected = [...waits.keys()];
        assert.deepEqual(ordered ? results : results.sort((a, b) => a - b), expected);
        assert.equal(most <= concurrency, true);
      }),
      { numRuns: 50 },
    );
  });

  test(`${how}: as many run at a time as may, and no more inputs are taken`, async () => {
    const runs = new Runs();
    const source = new Source();
    const results = mapTasks(source, runs.run, { concurrency: 4, ordered });
    let next = results.next();
    for (let n = 0; n < 100; n++) {
      while (runs.open.length < 4) await nextTurn();
      assert.ok(source.taken <= n + 5, `${source.taken} taken, ${n} given`);
      runs.end(n);
      assert.equal((await next).value, `result ${n}`);
      next = results.next();
    }
    assert.equal(runs.most, 4);
    for (const n of runs.open) runs.end(n);
    await results.return();
  });

  test(`${how}: nothing runs before somebody reads, nor further than they read`, async () => {
    const runs = new Runs();
    const source = new Source();
    const results = mapTasks(source, runs.run, { concurrency: 2, ordered });
    for (let n = 0; n < 5; n++) await nextTurn();
    assert.equal(source.taken, 0);
    const first = results.next();
    while (runs.open.length < 2) await nextTurn();
    runs.end(0);
    await first;
    for (let n = 0; n < 5; n++) await nextTurn();
    assert.deepEqual(runs.begun, [0, 1]);
    runs.end(1);
    await results.return();
  });

  test(`${how}: who stops reading closes the inputs`, async () => {
    const runs = new Runs();
    const source = new Source();
    const reading = (async () => {
      for await (const _ of mapTasks(source, runs.run, { concurrency: 2, ordered })) break;
    })();
    while (runs.open.length < 2) await nextTurn();
    runs.end(0);
    await reading;
    assert.equal(source.isClosed, true);
  });

  test(`${how}: an error is thrown where its result would be, and closes the inputs`, async () => {
    const runs = new Runs();
    const source = new Source();
    const failure = listOf(mapTasks(source, runs.run, { concurrency: 2, ordered }));
    while (runs.open.length < 2) await nextTurn();
    runs.end(0);
    runs.fail(1, new RangeError('no'));
    await assert.rejects(failure, /^RangeError: no$/);
    assert.equal(source.isClosed, true);
    assert.ok(source.taken <= 4, String(source.taken));
  });

  test(`${how}: errors that nobody reads any more end nothing`, async () => {
    const runs = new Runs();
    const failure = listOf(mapTasks([0, 1, 2], runs.run, { concurrency: 3, ordered }));
    while (runs.open.length < 3) await nextTurn();
    for (const n of [0, 1, 2]) runs.fail(n, new RangeError(`no ${n}`));
    await assert.rejects(failure, /^RangeError: no 0$/);
    await nextTurn();
  });

  test(`${how}: what the inputs throw is thrown`, async () => {
    function* inputs() {
      yield 1;
      throw new RangeError('no more');
    }
    const results = mapTasks(inputs(), async n => n, { concurrency: 2, ordered });
    await assert.rejects(listOf(results), /^RangeError: no more$/);
  });

  test(`${how}: a result comes when it is there, even where the next input is not`, async () => {
    const runs = new Runs();
    const gate = withResolvers<void>();
    async function* inputs() {
      yield 0;
      await gate.promise;
      yield 1;
    }
    const results = mapTasks(inputs(), runs.run, { concurrency: 2, ordered });
    const first = results.next();
    while (runs.open.length < 1) await nextTurn();
    runs.end(0);
    try {
      assert.equal((await patient(first)).value, 'result 0');
    } finally {
      gate.resolve();
    }
    const second = results.next();
    while (runs.open.length < 1) await nextTurn();
    runs.end(1);
    assert.equal((await second).value, 'result 1');
    assert.equal((await results.next()).done, true);
  });

  test(`${how}: an error comes when it is there, even where the next input is not`, async () => {
    const gate = withResolvers<void>();
    async function* inputs() {
      yield 0;
      await gate.promise;
    }
    const run = () => Promise.reject(new RangeError('no'));
    const results = mapTasks(inputs(), run, { concurrency: 2, ordered });
    const failure = assert.rejects(results.next(), /^RangeError: no$/);
    try {
      await patient(failure);
    } finally {
      gate.resolve();
      await failure;
    }
  });
}

test('inputs may come later, and may be none', async () => {
  async function* inputs() {
    for (let n = 0; n < 5; n++) {
      await nextTurn();
      yield n;
    }
  }
  const options = { concurrency: 2, ordered: true };
  assert.deepEqual(await listOf(mapTasks(inputs(), async n => n * n, options)), [0, 1, 4, 9, 16]);
  assert.deepEqual(await listOf(mapTasks([], async n => n, options)), []);
});

test('undefined is a result like any other', async () => {
  const results = mapTasks([1, 2], async () => undefined, { concurrency: 1, ordered: true });
  assert.deepEqual(await listOf(results), [undefined, undefined]);
});

test('a thrown undefined is an error', async () => {
  const run = () => Promise.reject(undefined);
  const settled = await Promise.allSettled([listOf(mapTasks([1], run, { concurrency: 1, ordered: true }))]);
  assert.equal(settled[0]?.status, 'rejected');
});
