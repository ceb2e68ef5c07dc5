import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errorText, payloadOf, RpcCode, readMessage, resultText } from '../../src/rpc/protocol.ts';
import { responseText } from '../../src/rpc/response-text.ts';

const call = (members: object) => ({ jsonrpc: '2.0', method: 'fib', ...members });

test('a call has a method, parameters by name or by position or none, and an id of any legal kind', () => {
  for (const id of ['1', '', 'é', 0, -1, 2 ** 53 - 1, 1.5, null]) {
    assert.deepEqual(readMessage(call({ id })), { method: 'fib', params: undefined, id });
  }
  assert.deepEqual(readMessage(call({ params: { n: 1 }, id: 1 })), {
    method: 'fib',
    params: { n: 1 },
    id: 1,
  });
  assert.deepEqual(readMessage(call({ params: [], id: 1 })), { method: 'fib', params: [], id: 1 });
  assert.deepEqual(readMessage(call({})), { method: 'fib', params: undefined, id: undefined });
  // Members that the specification does not know change nothing.
  assert.deepEqual(readMessage(call({ id: 1, auth: 'x' })), { method: 'fib', params: undefined, id: 1 });
});

test('what is no call is an invalid request, with its id where it has a legal one', () => {
  for (const value of [null, 1, true, 'text', [], {}, { jsonrpc: '2.0' }, call({ method: 1 })]) {
    assert.deepEqual(readMessage(value), { error: { code: -32600, message: 'Invalid Request' }, id: null });
  }
  const cases: [object, unknown][] = [
    [{ jsonrpc: undefined, id: 7 }, 7],
    [{ jsonrpc: '1.0', id: 'a' }, 'a'],
    [{ jsonrpc: 2, id: null }, null],
    [{ params: null, id: 8 }, 8],
    [{ params: 'bar', id: 8 }, 8],
    [{ params: 1 }, null],
    [{ id: true }, null],
    [{ id: {} }, null],
    [{ id: [1] }, null],
    // An answer with another number than the one that was sent would be to nobody.
    [{ id: 2 ** 53 }, null],
    [{ id: Number.POSITIVE_INFINITY }, null],
  ];
  for (const [members, id] of cases) {
    const message = readMessage(call(members));
    assert.ok('error' in message, JSON.stringify(members));
    assert.equal(message.error.code, RpcCode.invalidRequest);
    assert.equal(typeof message.error.data, 'string');
    assert.equal(message.id, id);
  }
});

test('the payload of a task: named parameters as an object, one by position alone, several as an array', () => {
  assert.deepEqual(payloadOf({ n: 1 }), { n: 1 });
  assert.equal(payloadOf([7]), 7);
  assert.deepEqual(payloadOf([[7]]), [7]);
  assert.equal(payloadOf([null]), null);
  assert.deepEqual(payloadOf([42, 23]), [42, 23]);
  assert.equal(payloadOf([]), undefined);
  assert.equal(payloadOf(undefined), undefined);
});

test('a response without a result has the result null', () => {
  assert.equal(resultText(undefined, 1), '{"jsonrpc":"2.0","result":null,"id":1}');
  assert.equal(
    resultText(() => 1, 'a'),
    '{"jsonrpc":"2.0","result":null,"id":"a"}',
  );
  assert.equal(resultText({ a: [undefined] }, null), '{"jsonrpc":"2.0","result":{"a":[null]},"id":null}');
});

test('a result that JSON has no words for is an internal error that names the method', () => {
  const cyclic: { self?: object } = {};
  cyclic.self = cyclic;
  const generator = (function* () {})();
  for (const result of [1n, { n: 1n }, cyclic, generator]) {
    assert.throws(() => responseText('fib', result, 1), {
      name: 'TypeError',
      rpcCode: -32603,
      message: /^the result of fib cannot be written as JSON: /,
    });
  }
});

test('an error arrives whatever its data is', () => {
  const text = errorText({ code: 1, message: 'no', data: { n: 1n } }, 5);
  assert.deepEqual(JSON.parse(text), {
    jsonrpc: '2.0',
    error: { code: 1, message: 'no', data: '{ n: 1n }' },
    id: 5,
  });
});

test('any JSON value is read as a call or as an invalid request, and both can be answered', () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  const near = fc.record(
    {
      jsonrpc: fc.oneof(fc.constant('2.0'), json),
      method: fc.oneof(fc.string(), json),
      params: json,
      id: json,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(json, near), value => {
      const message = readMessage(JSON.parse(JSON.stringify(value)));
      if ('error' in message) {
        const { jsonrpc, error, id } = JSON.parse(errorText(message.error, message.id));
        assert.deepEqual([jsonrpc, error.code, id], ['2.0', -32600, message.id]);
      } else if (message.id !== undefined) {
        // -0 is written as 0, which is the same number.
        assert.equal(JSON.parse(resultText(1, message.id)).id, Object.is(message.id, -0) ? 0 : message.id);
      }
    }),
  );
});
