import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueFullError, RpcError, TaskTimeoutError } from '../../src/errors.ts';
import { errorObjectOf } from '../../src/rpc/thrown.ts';

test('an error is answered with its integer code, its message and its data, and nothing else', () => {
  const error = Object.assign(new RangeError('too large'), { code: 42, data: { limit: 9 }, secret: 'x' });
  assert.deepEqual(errorObjectOf(error, false), { code: 42, message: 'too large', data: { limit: 9 } });
  assert.deepEqual(errorObjectOf(new RpcError(-32602, 'n must be a number', ['n']), false), {
    code: -32602,
    message: 'n must be a number',
    data: ['n'],
  });
});

test('an error without an integer code is a failure of the method', () => {
  for (const code of [undefined, 'E_PAY', 1.5, Number.NaN, '7']) {
    const error = Object.assign(new Error('no'), { code });
    assert.deepEqual(errorObjectOf(error, false), { code: -32000, message: 'no' });
  }
});

test('limits of this package have codes of their own', () => {
  assert.equal(errorObjectOf(new TaskTimeoutError('fib', 10), false).code, -32001);
  assert.equal(errorObjectOf(new QueueFullError(5), false).code, -32003);
});

test('whatever is thrown can be answered', () => {
  assert.deepEqual(errorObjectOf('just a text', false), { code: -32000, message: 'just a text' });
  assert.deepEqual(errorObjectOf(undefined, false), { code: -32000, message: 'undefined' });
  assert.deepEqual(errorObjectOf({ code: 3, message: 'plain' }, false), { code: 3, message: 'plain' });
  const unreadable = Object.defineProperty({}, 'message', {
    get() {
      throw new Error('not you');
    },
  });
  assert.deepEqual(errorObjectOf(unreadable, false), {
    code: -32000,
    message: 'what was thrown cannot be read',
  });
});

test('with stacks, data has the stack beside what it had', () => {
  const stackOf = (data: unknown) => {
    const error = Object.assign(new Error('no'), { data });
    return { data: errorObjectOf(error, true).data, stack: error.stack };
  };
  for (const [data, expected] of [
    [undefined, {}],
    [{ a: 1 }, { a: 1 }],
    [[1], { data: [1] }],
    ['x', { data: 'x' }],
  ]) {
    const shown = stackOf(data);
    assert.deepEqual(shown.data, { ...(expected as object), stack: shown.stack });
  }
});
