import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { decodeThrown, encodeThrown } from '../../src/channel/error-value.ts';

/** What the other side gets: the picture of the error crosses a structured clone. */
function roundTrip(thrown: unknown): unknown {
  return decodeThrown(structuredClone(encodeThrown(thrown)));
}

function errorAfter(thrown: Error): Error & Record<string, unknown> {
  const error = roundTrip(thrown);
  assert.ok(error instanceof Error);
  return error as Error & Record<string, unknown>;
}

for (const Native of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
  test(`a ${Native.name} stays one, with its message and its stack`, () => {
    const original = new Native('no good');
    const error = errorAfter(original);
    assert.ok(error instanceof Native);
    assert.equal(error.name, Native.name);
    assert.equal(error.message, 'no good');
    assert.ok(error.stack?.startsWith(original.stack as string), error.stack);
  });
}

test('an own class keeps its name, and the native class that it extends', () => {
  class PaymentError extends RangeError {
    override readonly name = 'PaymentError';
  }
  const error = errorAfter(new PaymentError('too much'));
  assert.equal(error.name, 'PaymentError');
  assert.ok(error instanceof RangeError);
  assert.equal(String(error), 'PaymentError: too much');
});

test('a class that sets no name is known by the name of the class', () => {
  class QuotaError extends TypeError {}
  const error = errorAfter(new QuotaError('used up'));
  assert.equal(error.name, 'QuotaError');
  assert.ok(error instanceof TypeError);
  assert.match(error.stack ?? '', /^QuotaError: used up\n/);
});

test('a name that the error gave itself wins over that of its class', () => {
  const error = errorAfter(new DOMException('stopped', 'AbortError'));
  assert.equal(error.name, 'AbortError');
});

test('code and other own properties arrive as what they were', () => {
  const own = { code: 'ENOENT', errno: -2, at: new Date(0), seen: new Set([1, 2]), raw: Buffer.from('x') };
  const error = errorAfter(Object.assign(new Error('no such file'), own));
  assert.equal(error.code, 'ENOENT');
  assert.equal(error.errno, -2);
  assert.deepEqual(error.at, own.at);
  assert.deepEqual(error.seen, own.seen);
  assert.deepEqual(Buffer.from(error.raw as Uint8Array), own.raw);
});

test('a property that cannot be cloned becomes text, and harms no other', () => {
  const error = errorAfter(
    Object.assign(new Error('odd'), {
      code: 'ODD',
      retry: function again() {},
      token: Symbol('secret'),
      bare: Object.assign(Object.create(null), { inner: () => {} }),
    }),
  );
  assert.equal(error.code, 'ODD');
  assert.match(String(error.retry), /again/);
  assert.equal(error.token, 'Symbol(secret)');
  assert.match(String(error.bare), /inner/);
});

test('the chain of causes arrives, each of its own class', () => {
  const root = Object.assign(new TypeError('root'), { code: 'E_ROOT' });
  const error = errorAfter(new Error('top', { cause: new RangeError('middle', { cause: root }) }));
  assert.ok(error.cause instanceof RangeError);
  assert.equal(error.cause.message, 'middle');
  assert.ok(error.cause.cause instanceof TypeError);
  assert.equal((error.cause.cause as Error & { code: string }).code, 'E_ROOT');
});

test('a cause that is no error arrives as it is, and a missing one stays missing', () => {
  assert.deepEqual(errorAfter(new Error('x', { cause: { status: 503 } })).cause, { status: 503 });
  assert.ok('cause' in errorAfter(new Error('x', { cause: undefined })));
  assert.ok(!('cause' in errorAfter(new Error('x'))));
});

test('cause and errors stay hidden from a loop over the properties', () => {
  const error = errorAfter(new AggregateError([], 'x', { cause: 1 }));
  assert.deepEqual(Object.keys(error), []);
});

test('AggregateError.errors arrive, each of its own class', () => {
  const error = errorAfter(new AggregateError([new TypeError('one'), 'two'], 'both'));
  assert.ok(error instanceof AggregateError);
  assert.equal(error.message, 'both');
  const [first, second] = error.errors;
  assert.ok(first instanceof TypeError);
  assert.equal(first.message, 'one');
  assert.equal(second, 'two');
});

test('an error that is its own cause ends in a word that says so', () => {
  const error: Error & { cause?: unknown } = new Error('round');
  error.cause = error;
  assert.equal(errorAfter(error).cause, '[circular: Error: round]');
});

test('many errors that all lead back to their AggregateError take no time', () => {
  const parts = Array.from({ length: 12 }, (_, n) => new Error(`part ${n}`));
  const whole = new AggregateError(parts, 'whole');
  for (const part of parts) part.cause = whole;
  const start = performance.now();
  const { errors } = roundTrip(whole) as AggregateError;
  assert.equal(errors[11].cause, '[circular: AggregateError: whole]');
  assert.ok(performance.now() - start < 1000);
});

test('a chain of causes without end is cut', () => {
  let deep = new Error('0');
  for (let n = 1; n < 1000; n++) deep = new Error(String(n), { cause: deep });
  let length = 0;
  for (let at: unknown = errorAfter(deep); at instanceof Error; at = at.cause) length++;
  assert.ok(length > 10 && length < 100, String(length));
});

for (const value of ['text', 42, null, undefined, { status: 1 }, [1, 2]]) {
  test(`a thrown ${inspect(value)} arrives as it is`, () => {
    assert.deepEqual(roundTrip(value), value);
  });
}

test('a thrown value that cannot be cloned becomes text', () => {
  assert.match(String(roundTrip(() => {})), /Function/);
});

test('the remote stack stands above the local one', async () => {
  const encoded = structuredClone(encodeThrown(new Error('remote')));
  async function decodeLater() {
    await null;
    return decodeThrown(encoded);
  }
  async function caller() {
    return await decodeLater();
  }
  const { stack } = (await caller()) as Error;
  const remote = (encoded as { error: { stack: string } }).error.stack;
  assert.ok(stack?.startsWith(remote));
  assert.match(stack?.slice(remote.length) ?? '', /at async caller/);
});
