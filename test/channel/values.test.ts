/** Values arrive as structured clones, whichever way they are written. */

import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import { ByteWriter } from '../../src/channel/bytes.ts';
import { readValue, writeValue } from '../../src/channel/values.ts';

/** What the other side reads, where the value stands between others. */
function roundTrip(value: unknown): unknown {
  return roundTrips([0, value, 'end'])[1];
}

function roundTrips(values: readonly unknown[]): unknown[] {
  const writer = new ByteWriter();
  const starts = values.map(value => {
    const start = writer.length;
    writeValue(writer, value);
    return start;
  });
  const bytes = writer.take();
  return starts.map((start, i) => readValue(bytes, start, starts[i + 1] ?? bytes.length));
}

function arrives(value: unknown, expected: unknown = structuredClone(value)): void {
  const received = roundTrip(value);
  assert.deepStrictEqual(received, expected);
  assert.deepEqual(aliases(received), aliases(expected));
}

/** Path of an object that was met before → the path where it was met first. */
function aliases(root: unknown): Map<string, string> {
  const first = new Map<object, string>();
  const found = new Map<string, string>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const known = first.get(value);
    if (known !== undefined) {
      found.set(path, known);
      return;
    }
    first.set(value, path);
    for (const [name, part] of partsOf(value)) visit(part, `${path}/${name}`);
  };
  visit(root, '');
  return found;
}

function partsOf(value: object): [string, unknown][] {
  if (value instanceof Map)
    return [...value].flatMap(([k, v], i) => [
      [`key ${i}`, k],
      [`value ${i}`, v],
    ]);
  if (value instanceof Set) return [...value].map((v, i) => [`member ${i}`, v]);
  return ArrayBuffer.isView(value) ? [] : Object.entries(value);
}

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.integer({ min: 0, max: 0xff }).map(code => String.fromCharCode(code)) }),
  fc.string({ unit: 'binary' }),
  // Halves of surrogate pairs among them.
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map(code => String.fromCharCode(code)) }),
  fc.string({ unit: fc.constantFrom('a', 'ÿ', 'Ā', '\ud83d'), minLength: 120, maxLength: 140, size: 'max' }),
);
const key = fc.oneof(
  text,
  fc.constantFrom('__proto__', 'constructor', 'toString', 'length', '0', '-1', '4294967295'),
);
const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(-0, Number.NaN, Infinity, -Infinity, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1),
);
const leaf = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.uint8Array().map(bytes => bytes.buffer),
  fc.uint8Array({ minLength: 8 }).map(bytes => new DataView(bytes.buffer, 3, 4)),
  fc.uint8Array({ minLength: 8 }).map(bytes => bytes.subarray(2, 7)),
  fc.constantFrom(/a+/giu, /\ud800/),
  // Node 20 finds no Set with an invalid date equal to another.
  fc.date({ noInvalidDate: true }),
);
const anything = fc.anything({
  key,
  values: [leaf],
  maxDepth: 4,
  withBigInt: true,
  withBoxedValues: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

test('any value arrives as its structured clone', () => {
  fc.assert(
    fc.property(anything, value => arrives(value)),
    { numRuns: 1000 },
  );
});

test('values that follow one another are read each by itself', () => {
  fc.assert(
    fc.property(fc.array(anything), values =>
      assert.deepStrictEqual(roundTrips(values), structuredClone(values)),
    ),
  );
});

type Holder = unknown[] | Record<string, unknown> | Map<unknown, unknown> | Set<unknown>;

const holder = fc.constantFrom<() => Holder>(
  () => [],
  () => ({}),
  () => new Map(),
  () => new Set(),
  () => Object.create(null),
);
/** A few objects that refer to each other, and to themselves, in any way; the first is the root. */
const graph = fc
  .record({
    makers: fc.array(holder, { minLength: 1, maxLength: 16 }),
    edges: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 40 }),
  })
  .map(({ makers, edges }) => {
    const nodes = makers.map(make => make());
    const node = (n: number) => nodes[n % nodes.length] as Holder;
    for (const [from, to] of edges) connect(node(from), node(to));
    return nodes[0];
  });

function connect(from: Holder, to: Holder): void {
  if (Array.isArray(from)) from.push(to);
  else if (from instanceof Map) from.set(from.size % 2 ? to : from.size, to);
  else if (from instanceof Set) from.add(to);
  else from[`to ${Object.keys(from).length}`] = to;
}

test('objects that refer to each other and to themselves keep their identity', () => {
  fc.assert(
    fc.property(graph, root => assert.deepEqual(aliases(roundTrip(root)), aliases(root))),
    { numRuns: 1000 },
  );
});

test('an object that is met twice is one object afterwards, and so is a text of any length', () => {
  const shared = { n: 1 };
  const { a, b, list } = roundTrip({ a: shared, b: shared, list: [shared] }) as Record<string, unknown>;
  assert.equal(a, b);
  assert.equal((list as unknown[])[0], a);
  const bytes = new Uint8Array([1, 2]);
  const [first, second] = roundTrip([bytes, bytes]) as Uint8Array[];
  assert.equal(first, second);
});

test('an object that holds itself still does', () => {
  const self: { self?: unknown } = {};
  self.self = self;
  const received = roundTrip(self) as { self: unknown };
  assert.equal(received.self, received);
});

const numbers = [0, -0, 1, -1, 0.1, Number.NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE];
const limits = [2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32, 2 ** 53, -(2 ** 53)];

for (const n of [...numbers, ...limits]) {
  test(`the number ${inspect(n)} arrives as it is`, () => {
    assert.ok(Object.is(roundTrip(n), n));
    assert.ok(Object.is((roundTrip({ n }) as { n: number }).n, n));
  });
}

for (const length of [0, 1, 127, 128, 129, 255, 256, 100_000]) {
  for (const [what, unit] of [
    ['ASCII', 'x'],
    ['Latin-1', 'é'],
    ['the first characters beyond Latin-1', 'Ā'],
    ['Cyrillic', 'ж'],
    ['halves of surrogate pairs', '\ud83d'],
    ['NUL', '\0'],
  ] as const) {
    test(`${length} characters of ${what} arrive, as a value and as a key`, () => {
      const word = unit.repeat(length);
      arrives(word);
      arrives([word, 1]);
      arrives({ [word]: word, after: 1 });
    });
  }
}

test('a text whose last character alone is beyond Latin-1 arrives', () => {
  arrives(`${'x'.repeat(127)}ж`);
  arrives({ [`${'x'.repeat(127)}ж`]: 1, [`${'x'.repeat(127)}y`]: 2 });
});

test('keys keep their order, and those that look alike are told apart', () => {
  const keys = Array.from({ length: 1000 }, (_, n) => `key${n}`);
  for (const name of [...keys, ...keys.reverse()])
    assert.deepEqual(Object.keys(roundTrip({ [name]: 1 }) as object), [name]);
  assert.deepEqual(Object.keys(roundTrip({ b: 1, a: 2, 7: 3, 5: 4 }) as object), ['5', '7', 'b', 'a']);
});

for (const count of [0, 1, 23, 24, 25, 256, 1000]) {
  test(`${count} members and elements arrive`, () => {
    arrives(Array.from({ length: count }, (_, n) => n));
    arrives(Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n])));
    arrives(Array.from({ length: count }, (_, n) => ({ n })));
  });
}

for (const depth of [1, 11, 12, 13, 500]) {
  test(`what is nested ${depth} deep arrives`, () => {
    let list: unknown = 'bottom';
    let object: unknown = 'bottom';
    for (let n = 0; n < depth; n++) [list, object] = [[list], { object }];
    arrives(list);
    arrives(object);
  });
}

test('a key that is the name of a part of every object is a key like any other', () => {
  const parsed = JSON.parse(
    '{ "__proto__": { "admin": true }, "constructor": 1, "hasOwnProperty": 2, "x": 3 }',
  );
  const received = roundTrip(parsed) as object;
  assert.deepEqual(Object.keys(received), ['__proto__', 'constructor', 'hasOwnProperty', 'x']);
  assert.equal(Object.getPrototypeOf(received), Object.prototype);
  assert.equal('admin' in received, false);
  arrives([parsed, Object.assign(Object.create(null), { y: 1 })]);
});

test('an array with holes keeps them', () => {
  // biome-ignore lint/suspicious/noSparseArray: it is what is tested
  arrives([, 1, , undefined, ,]);
  arrives(new Array(5));
  arrives(new Array(2 ** 20));
});

test('an array with members that are no elements keeps them', () => {
  arrives(Object.assign([1, 2], { index: 0, input: 'text' }));
  arrives('2024-05'.match(/(\d+)-(\d+)/));
});

test('an array with as many other members as holes keeps both', () => {
  arrives(Object.assign(new Array(2), { index: 0, input: 'text' }));
});

test('an array arrives by its elements, whatever its iterator says', () => {
  const pairs = Object.assign([1, 2, 3, 4], {
    *[Symbol.iterator]() {
      yield 12;
      yield 34;
    },
  });
  const received = roundTrip([pairs, 'after']) as unknown[];
  assert.deepStrictEqual(received, [[1, 2, 3, 4], 'after']);
});

test('an array that grows while it is read harms nothing that follows', () => {
  const growing: unknown[] = [0, 1];
  Object.defineProperty(growing, 0, {
    enumerable: true,
    get() {
      if (growing.length < 4) growing.push('new');
      return 0;
    },
  });
  const received = roundTrip([growing, 'after']) as unknown[];
  assert.equal(received[1], 'after');
});

test('dates arrive, valid or not', () => {
  for (const time of [0, -1, 8.64e15, Number.NaN]) {
    const received = roundTrip(new Set([new Date(time)])) as Set<Date>;
    assert.deepEqual(
      [...received].map(date => date.getTime()),
      [time],
    );
  }
});

test('a class instance arrives as its own members', () => {
  class Point {
    x = 1;
    #hidden = 2;
    get sum() {
      return this.x + this.#hidden;
    }
  }
  arrives(new Point(), { x: 1 });
});

test('what is not enumerable or has a symbol for its key stays here', () => {
  const value = Object.defineProperty({ a: 1, [Symbol('b')]: 2 }, 'c', { value: 3 });
  arrives(value, { a: 1 });
});

test('errors arrive with their class, message, stack and cause', () => {
  const received = roundTrip({ error: new RangeError('too much', { cause: 'greed' }) }) as { error: Error };
  assert.ok(received.error instanceof RangeError);
  assert.equal(received.error.message, 'too much');
  assert.equal(received.error.cause, 'greed');
  assert.match(received.error.stack ?? '', /values\.test\.ts/);
});

const views = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

function filled(View: (typeof views)[number]) {
  const view = new View(4);
  new Uint8Array(view.buffer).fill(7);
  return view;
}

const wrappings = [
  (view: unknown) => view,
  (view: unknown) => ({ tag: 'x', view }),
  (view: unknown) => [1, [view]],
  (view: unknown) => new Map([['xyz', view]]),
];

for (const View of views) {
  test(`the memory of a ${View.name} is its own, and no larger than it`, () => {
    for (const wrap of wrappings) {
      const { bytes, values } = readTwice(wrap(filled(View)));
      const buffers = values.map(value => viewIn(value).buffer);
      for (const view of values.map(viewIn)) {
        assert.deepStrictEqual(view, filled(View));
        // Whoever takes the `buffer` of a result gets its bytes, and nothing else.
        assert.equal(view.byteOffset, 0);
        assert.equal(view.buffer.byteLength, view.byteLength);
      }
      assert.equal(new Set([bytes.buffer, ...buffers]).size, 3);
    }
  });
}

/** Two readings of a value, from the same received memory. */
function readTwice(value: unknown): { bytes: Buffer; values: unknown[] } {
  const writer = new ByteWriter();
  writeValue(writer, value);
  const second = writer.length;
  writeValue(writer, value);
  const bytes = writer.take();
  return { bytes, values: [readValue(bytes, 0, second), readValue(bytes, second)] };
}

function viewIn(value: unknown): NodeJS.TypedArray {
  if (ArrayBuffer.isView(value)) return value as NodeJS.TypedArray;
  const [view] = partsOf(value as object).flatMap(([, part]) =>
    typeof part === 'object' ? [viewIn(part)] : [],
  );
  return view as NodeJS.TypedArray;
}

test('two views in one value have memory each of their own', () => {
  const { a, b } = roundTrip({ a: new Float64Array([1]), b: new Float64Array([2]) }) as Record<
    string,
    Float64Array
  >;
  assert.notEqual(a?.buffer, b?.buffer);
});

test('no memory is in two values, nor received memory in any', () => {
  fc.assert(
    fc.property(fc.oneof(anything, fc.array(fc.float64Array())), value => {
      const { bytes, values } = readTwice(value);
      const [first, second] = values.map(each => memoryOf(each));
      const memories = [bytes.buffer, ...(first ?? []), ...(second ?? [])];
      assert.equal(new Set(memories).size, memories.length);
    }),
    // What is left in memory changes from run to run: there is no smallest example to be found.
    { endOnFailure: true },
  );
});

function memoryOf(value: unknown, found = new Set<ArrayBufferLike>()): Set<ArrayBufferLike> {
  if (typeof value !== 'object' || value === null) return found;
  if (value instanceof ArrayBuffer) found.add(value);
  else if (ArrayBuffer.isView(value)) found.add(value.buffer);
  else for (const [, part] of partsOf(value)) memoryOf(part, found);
  return found;
}

test('a Buffer stays one; small and large ones, alone and among others', () => {
  for (const buffer of [
    Buffer.alloc(0),
    Buffer.from('text'),
    Buffer.alloc(100_000, 1),
    Buffer.from('abcdef').subarray(2, 4),
  ]) {
    for (const value of [
      buffer,
      { buffer },
      [buffer, new Map()],
      new Map([[buffer, new Uint8Array(buffer)]]),
    ]) {
      arrives(value, deserialize(serialize(value)));
    }
  }
});

test('a Buffer from the pool of Node takes none of its neighbours along', () => {
  const secret = Buffer.from('secret');
  const received = roundTrip(Buffer.from('open')) as Buffer;
  assert.equal(received.buffer.byteLength, 4);
  assert.ok(!Buffer.from(received.buffer).includes(secret));
});

test('a part of a larger array arrives alone', () => {
  const whole = new Uint8Array(1000).fill(1);
  arrives(whole.subarray(10, 20), new Uint8Array(10).fill(1));
});

test('a view of shared memory arrives as a copy of it; the shared memory itself is refused', () => {
  const shared = new SharedArrayBuffer(4);
  const view = new Uint8Array(shared).fill(9);
  const received = roundTrip(view) as Uint8Array;
  assert.deepStrictEqual([...received], [9, 9, 9, 9]);
  assert.ok(received.buffer instanceof ArrayBuffer);
  assert.throws(() => roundTrip({ shared }), { name: 'DataCloneError' });
});

/** Nothing that was refused may remain: what is written next would be read as its rest. */
function isRefused(value: unknown, error: object): void {
  const writer = new ByteWriter();
  writeValue(writer, 'before');
  const before = writer.length;
  assert.throws(() => writeValue(writer, value), error);
  assert.equal(writer.length, before);
  writeValue(writer, 'after');
  const bytes = writer.take();
  assert.equal(readValue(bytes, 0, before), 'before');
  assert.equal(readValue(bytes, before), 'after');
}

for (const [what, value] of [
  ['a function', () => {}],
  ['a symbol', Symbol('token')],
  ['a WeakMap', new WeakMap()],
  ['a promise', Promise.resolve()],
  ['a generator', (function* () {})()],
  ['a class', class {}],
  ['a key of this process', createSecretKey(Buffer.from('secret'))],
] as const) {
  test(`${what} is refused wherever it stands, and leaves nothing behind`, () => {
    const places = [value, { ok: 1, value }, [1, [value]], new Map([[1, value]]), { map: new Map(), value }];
    for (const place of places) {
      isRefused(place, (error: unknown) => error instanceof DOMException && error.name === 'DataCloneError');
    }
  });
}

test('what a getter throws is passed on as it is, and leaves nothing behind', () => {
  const mine = new RangeError('mine');
  const throwing = {
    before: 'text',
    get value(): never {
      throw mine;
    },
  };
  const throwsMine = (error: unknown) => error === mine;
  isRefused(throwing, throwsMine);
  isRefused([throwing], throwsMine);
  isRefused({ map: new Map(), throwing }, throwsMine);
  isRefused(new Map([[1, throwing]]), throwsMine);
});

test('what a getter throws is passed on even where it is no error', () => {
  const thrown = { status: 1 };
  const throwing = {
    map: new Map(),
    get value(): never {
      throw thrown;
    },
  };
  isRefused(throwing, (error: unknown) => error === thrown);
});

test('an array whose memory was given away is refused as structuredClone refuses it', () => {
  const bytes = new Uint8Array(4);
  const floats = new Float64Array(4);
  structuredClone([bytes, floats], { transfer: [bytes.buffer, floats.buffer] });
  for (const value of [bytes, floats, bytes.buffer, { bytes }, new Map([[1, floats]])]) {
    isRefused(value, { name: 'DataCloneError' });
  }
});

test('a refusal does not show what is in the object', () => {
  const key = Object.assign(createSecretKey(Buffer.from('secret')), { password: 'hunter2' });
  assert.throws(
    () => roundTrip({ key }),
    (error: Error) => error.name === 'DataCloneError' && !error.message.includes('hunter2'),
  );
});

test('a kind that is not known is an error, not a value', () => {
  assert.throws(() => readValue(Buffer.from([99])), /unknown kind 99/);
});

const viewClasses = [
  Uint8Array,
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
];

for (const View of viewClasses) {
  test(`a large ${View.name} travels beside its value, uncopied, and comes out with memory of its own`, () => {
    const bytes = Uint8Array.from({ length: 80_000 }, (_, i) => i);
    const array = new View(bytes.buffer, 8, 64_000 / View.BYTES_PER_ELEMENT);
    const writer = new ByteWriter();
    const blobs: Uint8Array[] = [];
    writeValue(writer, { name: 'x', array, more: [1] }, blobs);
    assert.ok(writer.length < 100, `${writer.length} bytes were written`);
    assert.deepEqual(
      blobs.map(({ buffer, byteOffset, byteLength }) => [buffer === bytes.buffer, byteOffset, byteLength]),
      [[true, 8, 64_000]],
    );
    const arrived = blobs.map(blob => new Uint8Array(blob));
    const value = readValue(writer.take(), 0, undefined, arrived) as { array: typeof array };
    assert.deepStrictEqual(value, { name: 'x', array: array.slice(), more: [1] });
    assert.equal(value.array.buffer, arrived[0]?.buffer);
  });
}

test('a large Buffer stays one; small arrays, and arrays of a class of their own, are written with their value', () => {
  class Own extends Uint8Array {}
  const large = Buffer.alloc(50_000, 'x');
  const writer = new ByteWriter();
  const blobs: Uint8Array[] = [];
  writeValue(writer, [large, new Float64Array(5000)], blobs);
  assert.equal(blobs.length, 2);
  const [buffer] = readValue(
    writer.take(),
    0,
    undefined,
    blobs.map(blob => new Uint8Array(blob)),
  ) as [Buffer];
  assert.ok(Buffer.isBuffer(buffer) && buffer.equals(large));
  for (const value of [[new Uint8Array(1000)], new Own(50_000), [new Uint8Array(50_000), new Map()]]) {
    const none: Uint8Array[] = [];
    writeValue(writer, value, none);
    assert.equal(none.length, 0);
    assert.deepEqual(readValue(writer.take()), structuredClone(value));
  }
});

test('a value that cannot be cloned leaves no memory to be sent beside it', () => {
  const blobs: Uint8Array[] = [];
  assert.throws(
    () => writeValue(new ByteWriter(), [new Uint8Array(50_000), () => {}], blobs),
    /could not be cloned/,
  );
  assert.equal(blobs.length, 0);
});
