import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorRecord, resultRecord } from '../../src/cli/map/record.ts';

test('a result is written as JSON; what a task returns that returns nothing is null', () => {
  const shared = [1];
  for (const [result, text] of [
    [7, '7'],
    ['a\n"b"', '"a\\n\\"b\\""'],
    [null, 'null'],
    [undefined, 'null'],
    [[1, undefined, { a: undefined }], '[1,null,{}]'],
    [Number.NaN, 'null'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [{ a: shared, b: shared }, '{"a":[1],"b":[1]}'],
  ] as const) {
    assert.equal(resultRecord('{"in": 1}', result), `{"input":{"in": 1},"result":${text}}\n`);
  }
});

test('what JSON does not have, or would write as something else, is an error that says where it is', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  for (const [result, reason] of [
    [10n, /serialize a BigInt$/],
    [cyclic, /circular structure to JSON$/],
    [Buffer.from('x'), /: it is a Buffer$/],
    [new Map(), /: it is a Map$/],
    [{ a: [0, { b: new Set() }] }, /: a\.1\.b is a Set$/],
    [{ bytes: new Uint8Array(2) }, /: bytes is a Uint8Array$/],
    [[new ArrayBuffer(1)], /: 0 is an ArrayBuffer$/],
    [{ error: new Error('x') }, /: error is an Error$/],
    [{ pattern: /x/ }, /: pattern is a RegExp$/],
  ] as const) {
    assert.throws(() => resultRecord('1', result), { code: 'PH_ERR_RESULT', message: reason });
  }
});

test('an error is written with name and message, and with a code where it has one, whatever was thrown', () => {
  for (const [thrown, error] of [
    [new TypeError('no'), { name: 'TypeError', message: 'no' }],
    [
      Object.assign(new Error('no'), { code: 'ENO', other: 1 }),
      { name: 'Error', message: 'no', code: 'ENO' },
    ],
    [Object.assign(new Error('no'), { code: 5 }), { name: 'Error', message: 'no', code: 5 }],
    [Object.assign(new Error('no'), { code: {} }), { name: 'Error', message: 'no' }],
    ['just text', { name: 'Error', message: 'just text' }],
    [undefined, { name: 'Error', message: 'undefined' }],
    [{ a: 1n }, { name: 'Error', message: '{ a: 1n }' }],
  ] as const) {
    assert.equal(errorRecord('1', thrown), `{"input":1,"error":${JSON.stringify(error)}}\n`);
  }
});
