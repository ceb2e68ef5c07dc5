import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toRecord } from '../../src/log/records.ts';

const origin = { section: 'jobs', pid: 42, index: 3, stream: 'stdout' } as const;

function record(text: string | Uint8Array, part = 0): string {
  return toRecord({ bytes: Buffer.from(text), part }, origin);
}

test('text becomes a line as pino writes it, with its origin', () => {
  const { time, ...rest } = JSON.parse(record('hello'));
  assert.ok(Math.abs(Date.now() - time) < 10_000);
  assert.deepEqual(rest, { level: 30, section: 'jobs', pid: 42, index: 3, stream: 'stdout', msg: 'hello' });
});

test('stderr is a warning', () => {
  const { level, stream } = JSON.parse(
    toRecord({ bytes: Buffer.from('x'), part: 0 }, { ...origin, stream: 'stderr' }),
  );
  assert.deepEqual({ level, stream }, { level: 40, stream: 'stderr' });
});

test('a JSON object passes unchanged', () => {
  for (const text of [
    '{}',
    '{"level":30,"msg":"é\\u0000"}',
    '{ "a" : [1,  2.0] }',
    '{"__proto__":1,"a":1,"a":2}',
  ]) {
    assert.equal(record(text), `${text}\n`);
  }
});

test('what only looks like a JSON object is wrapped', () => {
  for (const text of ['{', '{}}', '{a:1}', '[1]', '"x"', 'null', '1', '', ' {}', '{"a":\u0001}']) {
    assert.equal(JSON.parse(record(text)).msg, text);
  }
});

test('S55 an object with invalid UTF-8 is wrapped', () => {
  assert.equal(JSON.parse(record(Buffer.from('{"a":"\xff"}', 'latin1'))).msg, '{"a":"\ufffd"}');
});

test('a part is wrapped, with its number', () => {
  const { msg, part } = JSON.parse(record('{}', 2));
  assert.deepEqual({ msg, part }, { msg: '{}', part: 2 });
});

test('S55 any bytes give one line of valid JSON', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      const text = record(bytes.filter(byte => byte !== 0x0a));
      assert.equal(text.indexOf('\n'), text.length - 1);
      assert.equal(typeof JSON.parse(text), 'object');
    }),
  );
});
