import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, listOf, startPool } from '../helpers/pool.ts';

const tasks = `
export const back = value => value;
export async function* items(value) { yield value; }
export const kinds = value => ({
  isMap: value.map instanceof Map, isDate: value.date instanceof Date, isBuffer: Buffer.isBuffer(value.buffer),
  isError: value.error instanceof RangeError, same: value.a === value.b, itself: value.self === value,
});

class PaymentError extends TypeError {
  constructor(message, options) { super(message, options); this.name = 'PaymentError'; }
}
class Nameless extends RangeError {}
const thrown = {
  own: () => Object.assign(new PaymentError('declined', { cause: new Nameless('too much', { cause: 'no error' }) }), {
    code: 'E_PAY', amount: 5n, when: new Date(0), nested: { list: [1, new Map([['a', 1]])] }, f: () => {},
  }),
  aggregate: () => new AggregateError([new RangeError('one'), new Nameless('two'), 'three', undefined], 'all of them', { cause: new Error('why') }),
  circular: () => { const a = new Error('a'); const b = new Error('b', { cause: a }); a.cause = b; return a; },
  undefinedCause: () => new Error('no cause', { cause: undefined }),
  text: () => 'a text', nothing: () => undefined, nil: () => null, number: () => 0, symbol: () => Symbol('mine'), f: () => function mine() {},
  object: () => ({ deep: new Set([1]) }),
  blob: () => Object.assign(new PaymentError('with a Blob'), { code: 'E_BLOB', blob: new Blob(['x']) }),
  shared: () => Object.assign(new PaymentError('with shared memory'), { code: 'E_SHARED', memory: new SharedArrayBuffer(8) }),
  abort: () => new DOMException('not now', 'AbortError'),
  system: () => { try { process.kill(999999999, 0); } catch (error) { return error; } },
  syntax: () => { try { new Function('a b'); } catch (error) { return error; } },
  frozen: () => Object.freeze(Object.assign(new PaymentError('frozen'), { code: 'E_FROZEN' })),
  long: () => new Error('x'.repeat(1e6)),
  empty: () => new Error(),
  proto: () => Object.defineProperty(new Error('proto'), '__proto__', { value: 'own', enumerable: true }),
};
export const fail = name => { throw thrown[name](); };
export const reject = async name => { await null; throw thrown[name](); };
export async function* failStream(name) { yield 1; throw thrown[name](); }
export const giveError = name => thrown[name]();
`;

class Cat {
  name = 'Tom';
  get voice() {
    return 'meow';
  }
}

function values(): Record<string, unknown> {
  const cyclic: Record<string, unknown> = { list: [1] };
  cyclic.self = cyclic;
  (cyclic.list as unknown[]).push(cyclic.list);
  const shared = { n: 1 };
  const bytes = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  return {
    undefined: undefined,
    null: null,
    booleans: [true, false],
    numbers: [
      0,
      -0,
      1,
      -1,
      2 ** 31,
      -(2 ** 31) - 1,
      2 ** 53,
      0.1,
      Number.NaN,
      Infinity,
      -Infinity,
      Number.MIN_VALUE,
    ],
    minusZero: -0,
    bigints: [0n, -1n, 2n ** 64n, -(10n ** 40n)],
    texts: [
      '',
      'a',
      'ÿ',
      'Ā',
      '😀',
      '\0',
      'x'.repeat(128),
      'x'.repeat(129),
      'x'.repeat(1e6),
      'Ā'.repeat(128),
      '\ud800',
    ],
    boxed: [Object(1), Object('a'), Object(true), Object(1n)],
    dates: [new Date(0), new Date(8.64e15)],
    pattern: /a(b)?/giu,
    map: new Map<unknown, unknown>([
      ['a', 1],
      [{ key: 1 }, new Map([[1, new Set()]])],
      [Number.NaN, -0],
    ]),
    set: new Set([1, 'a', undefined, new Set([null])]),
    typed: [
      bytes,
      new Int8Array([-1]),
      new Uint8ClampedArray([255]),
      new Uint16Array([1, 65535]),
      new Int32Array([-1, 2]),
      new Float32Array([0.5]),
      new Float64Array([0.1, Number.NaN, -0]),
      new BigInt64Array([-1n]),
      new BigUint64Array([2n ** 64n - 1n]),
      new DataView(bytes.buffer, 1, 2),
    ],
    view: bytes.subarray(3, 6),
    memory: new Uint8Array([1, 2, 3]).buffer,
    buffer: Buffer.from('buffer'),
    emptyBuffer: Buffer.alloc(0),
    bigBuffer: Buffer.alloc(100_000, 3),
    cyclic,
    twice: [shared, shared],
    sparse: Object.assign(new Array(5), { 1: 1, 3: 2 }),
    sparseWithMember: Object.assign(new Array(2), { 1: 1, x: 2 }),
    arrayWithMember: Object.assign([1, 2], { x: 3 }),
    longArray: Array.from({ length: 1000 }, (_, n) => n),
    nothing: {},
    nested: { a: { b: { c: { d: { e: [[[[[{}]]]]] } } } } },
    wide: Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key${n}`, n])),
    keys: { '': 1, 1: 2, ключ: 3, ['x'.repeat(200)]: 4, constructor: 5, toString: 6 },
    proto: JSON.parse('{"__proto__": {"polluted": true}, "a": 1}'),
    noPrototype: Object.assign(Object.create(null), { a: 1 }),
    instance: new Cat(),
    symbolKey: { [Symbol('left out')]: 1, kept: 2 },
    undefinedMember: { a: undefined },
    error: new RangeError('a value', { cause: new TypeError('its cause') }),
  };
}

/** Buffers stay Buffers, which they do not between threads. */
function cloneOf(value: unknown): unknown {
  return Buffer.isBuffer(value) ? value : structuredClone(value);
}

test('values arrive as structured clones, there and back', async t => {
  const { pool } = await startPool(t, tasks);
  for (const [name, value] of Object.entries(values())) {
    await t.test(`a structured clone: ${name}`, async () => {
      const expected = cloneOf(value);
      const [back, again] = await Promise.all([pool.run(value), pool.run(value, { name: 'back' })]);
      assert.deepStrictEqual(back, expected);
      assert.deepStrictEqual(again, expected);
      assert.deepStrictEqual(await listOf(pool.stream(value, { name: 'items' })), [expected]);
      // As members of something else, where they may be written in another way.
      assert.deepStrictEqual(await pool.run({ in: [value] }), { in: [expected] });
    });
  }
});

test('an invalid date stays one', async t => {
  // Two of them are never equal.
  const { pool } = await startPool(t, tasks);
  const date = (await pool.run(new Date(Number.NaN))) as Date;
  assert.ok(date instanceof Date && Number.isNaN(date.getTime()));
});

test('all of them at once keep who is who', async t => {
  const { pool } = await startPool(t, tasks);
  const all = values();
  delete all.error;
  const expected = Object.fromEntries(Object.entries(all).map(([name, value]) => [name, cloneOf(value)]));
  assert.deepStrictEqual(await pool.run(all), expected);
  const one = { n: 1 };
  const value: Record<string, unknown> = {
    map: new Map(),
    date: new Date(),
    buffer: Buffer.from('x'),
    error: new RangeError('x'),
    a: one,
    b: one,
  };
  value.self = value;
  assert.deepEqual(await pool.run(value, { name: 'kinds' }), {
    isMap: true,
    isDate: true,
    isBuffer: true,
    isError: true,
    same: true,
    itself: true,
  });
});

test('what cannot be cloned is refused before it is sent', async t => {
  const { pool } = await startPool(t, tasks);
  const refused: Record<string, unknown> = {
    function: () => {},
    symbol: Symbol('x'),
    'weak map': new WeakMap(),
    promise: Promise.resolve(),
    'shared memory': new SharedArrayBuffer(8),
    'in a member': { a: { b: [new WeakSet()] } },
  };
  for (const [name, value] of Object.entries(refused)) {
    const error = await errorOf(pool.run(value));
    assert.equal(error.name, 'DataCloneError', `${name}: ${error.stack}`);
    assert.ok(error.message.length > 5);
  }
  assert.equal(pool.stats.processes[0]?.completed, 0, 'none of them was sent');
});

test('errors arrive as what they were', async t => {
  const { pool } = await startPool(t, tasks);
  const thrown = async (name: string) => {
    const ways = [
      errorOf(pool.run(name, { name: 'fail' })),
      errorOf(pool.run(name, { name: 'reject' })),
      errorOf(listOf(pool.stream(name, { name: 'failStream' }))),
      errorOf(pool.broadcast(name, { name: 'fail' })),
    ];
    const [first, ...others] = await Promise.all(ways);
    for (const other of others) {
      assert.deepEqual(
        [other.name, other.message, { ...other }],
        [first?.name, first?.message, { ...first }],
      );
    }
    return first as Error & Record<string, unknown>;
  };

  await t.test('a class of its own with members and a chain of causes', async () => {
    const error = await thrown('own');
    assert.ok(error instanceof TypeError);
    assert.equal(error.name, 'PaymentError');
    assert.equal(error.message, 'declined');
    const { code, amount, when, nested, f } = error;
    assert.deepStrictEqual(
      { code, amount, when, nested },
      { code: 'E_PAY', amount: 5n, when: new Date(0), nested: { list: [1, new Map([['a', 1]])] } },
    );
    assert.match(String(f), /Function/, 'what cannot be cloned is described');
    const cause = error.cause as Error;
    assert.ok(cause instanceof RangeError);
    assert.equal(cause.name, 'Nameless');
    assert.equal(cause.message, 'too much');
    assert.equal(cause.cause, 'no error');
    assert.match(error.stack as string, /^PaymentError: declined\n\s+at .*tasks\.mjs/);
    assert.match(cause.stack as string, /^Nameless: too much\n\s+at .*tasks\.mjs/);
  });

  await t.test('an AggregateError', async () => {
    const error = (await thrown('aggregate')) as AggregateError & Record<string, unknown>;
    assert.ok(error instanceof AggregateError);
    assert.equal(error.message, 'all of them');
    const [one, two, three, four] = error.errors;
    assert.ok(one instanceof RangeError && one.message === 'one');
    assert.ok(two instanceof RangeError && two.name === 'Nameless');
    assert.deepEqual([three, four, error.errors.length], ['three', undefined, 4]);
    assert.equal((error.cause as Error).message, 'why');
  });

  await t.test('causes in a circle, and an undefined one', async () => {
    const error = await thrown('circular');
    assert.equal(error.message, 'a');
    assert.equal((error.cause as Error).message, 'b');
    assert.match(String((error.cause as Error).cause), /circular/);
    assert.ok('cause' in (await thrown('undefinedCause')));
    assert.ok(!('cause' in (await thrown('empty'))));
  });

  await t.test(
    'members that can be cloned within a process and not beyond it cost the error nothing else',
    async () => {
      for (const [name, code] of [
        ['blob', 'E_BLOB'],
        ['shared', 'E_SHARED'],
      ] as const) {
        const error = await errorOf(pool.run(name, { name: 'fail' }));
        assert.equal(error.name, 'PaymentError', `${error.stack}`);
        assert.ok(error instanceof TypeError);
        assert.equal(error.code, code);
      }
    },
  );

  await t.test('errors of Node and of the language', async () => {
    const system = await thrown('system');
    assert.deepEqual([system.code, system.syscall, system.name], ['ESRCH', 'kill', 'Error']);
    assert.ok((await thrown('syntax')) instanceof SyntaxError);
    const abort = await thrown('abort');
    assert.deepEqual([abort.name, abort.message], ['AbortError', 'not now']);
    assert.equal((await thrown('frozen')).code, 'E_FROZEN');
    assert.equal((await thrown('long')).message.length, 1e6);
    assert.equal((await thrown('empty')).message, '');
    assert.equal((await thrown('proto')).message, 'proto');
  });

  await t.test('values that are no errors', async () => {
    for (const [name, expected] of Object.entries({
      text: 'a text',
      nothing: undefined,
      nil: null,
      number: 0,
      object: { deep: new Set([1]) },
    })) {
      const reason = await pool.run(name, { name: 'fail' }).then(
        () => assert.fail('it throws'),
        reason => reason,
      );
      assert.deepStrictEqual(reason, expected);
    }
    for (const name of ['symbol', 'f']) {
      const reason = await pool.run(name, { name: 'fail' }).then(
        () => assert.fail('it throws'),
        reason => reason,
      );
      assert.match(String(reason), /mine/);
    }
  });

  await t.test('an error that is a result is a result, as a structured clone has it', async () => {
    const error = await pool.run('syntax', { name: 'giveError' });
    assert.ok(error instanceof SyntaxError);
  });

  await t.test("the task's stack comes first, then the place that asked for it", async () => {
    async function whoAsks() {
      await pool.run('own', { name: 'fail' });
    }
    const { stack } = await errorOf(whoAsks());
    assert.match(stack as string, /^PaymentError: declined\n\s+at .*tasks\.mjs[\s\S]+at async whoAsks/);
  });
});

test('an error of the pool itself shows who waits for the task', async t => {
  const { pool } = await startPool(t, tasks, { abortGrace: 20 });
  for (const [name, payload, expected] of [
    ['loop', undefined, 'TaskTimeoutError'],
    ['die', 'SIGKILL', 'WorkerCrashError'],
    ['none', undefined, 'UnknownTaskError'],
  ] as const) {
    const whoWaits = async () => {
      await pool.run(payload, { name, timeout: 500 });
    };
    const error = await errorOf(whoWaits());
    assert.equal(error.name, expected);
    assert.match(error.stack as string, /at async whoWaits .*pool-values\.test\.ts/);
  }
});
