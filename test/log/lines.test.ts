import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Line, LineSplitter } from '../../src/log/lines.ts';

function split(chunks: readonly Buffer[], maxLine?: number): Line[] {
  const splitter = new LineSplitter(maxLine);
  return [...chunks.flatMap(chunk => [...splitter.push(chunk)]), ...splitter.end()];
}

function texts(lines: readonly Line[]): string[] {
  return lines.map(({ bytes }) => bytes.toString('utf8'));
}

/** Cuts `bytes` at the places that `cuts` names. */
function chunked(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, i) => bytes.subarray(places[i], place));
}

/** Bytes in which line ends and characters of several bytes are frequent. */
const bytes = fc
  .array(
    fc.oneof(
      fc.constantFrom('\n', '\r\n', '\r', 'é', '漢字', '😀', 'abc').map(text => Buffer.from(text)),
      fc.uint8Array({ maxLength: 8 }).map(array => Buffer.from(array)),
    ),
  )
  .map(pieces => Buffer.concat(pieces));

test('S55 lines do not depend on how the bytes arrive', () => {
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(1000)), fc.constantFrom(4, 7, 1000), (input, cuts, maxLine) => {
      assert.deepEqual(split(chunked(input, cuts), maxLine), split([input], maxLine));
    }),
  );
});

test('lines and their parts hold all bytes, in order', () => {
  fc.assert(
    fc.property(bytes, fc.constantFrom(4, 7, 1000), (input, maxLine) => {
      const text = input.toString('latin1');
      const expected = text.split('\n').map(line => line.replace(/\r$/, ''));
      if (text.endsWith('\n') || text === '') expected.pop();
      const joined: string[] = [];
      for (const { bytes: line, part } of split([input], maxLine)) {
        assert.ok(line.length <= maxLine);
        if (part > 1) joined.push(`${joined.pop()}${line.toString('latin1')}`);
        else joined.push(line.toString('latin1'));
      }
      assert.deepEqual(joined, expected);
    }),
  );
});

test('an overlong line comes in numbered parts that cut no character', () => {
  const lines = split([Buffer.from('aé漢😀b\nnext\n')], 6);
  assert.deepEqual(texts(lines), ['aé漢', '😀b', 'next']);
  assert.deepEqual(
    lines.map(({ part }) => part),
    [1, 2, 0],
  );
});

test('CRLF ends a line, a lone CR does not, an empty line is a line', () => {
  assert.deepEqual(texts(split([Buffer.from('a\r'), Buffer.from('\nb\rc\n\nd')])), ['a', 'b\rc', '', 'd']);
});
