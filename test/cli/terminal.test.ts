import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderLine, span } from '../../src/cli/terminal/line.ts';
import { lookOf } from '../../src/cli/terminal/look.ts';
import { cutText, textWidth } from '../../src/cli/terminal/text.ts';
import { formatAge, formatBytes, formatCount, formatRate, formatTime } from '../../src/cli/terminal/units.ts';
import { sparkline } from '../../src/cli/top/sparkline.ts';

test('text is cut between graphemes, never wider than asked for', () => {
  assert.equal(cutText('images', 6), 'images');
  assert.equal(cutText('images', 5), 'imag…');
  assert.equal(cutText('画像処理', 8), '画像処理');
  assert.equal(cutText('画像処理', 7), '画像処…');
  assert.equal(cutText('画像処理', 6), '画像…');
  assert.equal(cutText('👩‍👩‍👧‍👦 family', 3), '👩‍👩‍👧‍👦…');
  assert.equal(cutText('👩‍👩‍👧‍👦 family', 2), '…');
  assert.equal(cutText('e\u0301tude', 3), 'e\u0301t…');
  assert.equal(cutText('images', 0), '');
  assert.equal(textWidth('画像👍🏽'), 6);
});

test('a line is cut without its styles, and its styles end with it', () => {
  const line = [span('images', 'bold'), span('  '), span('failed', 'red', 'bold')];
  assert.equal(renderLine(line, { width: 11, colour: false }), 'images  fa…');
  assert.equal(
    renderLine(line, { width: 11, colour: true }),
    '\x1b[1mimages\x1b[22m  \x1b[1m\x1b[31mfa…\x1b[39m\x1b[22m',
  );
});

test('width and colours: of a terminal, of no terminal, with NO_COLOR and FORCE_COLOR', () => {
  const terminal = { isTTY: true, columns: 97 };
  assert.deepEqual(lookOf(terminal, {}), { width: 97, colour: true });
  assert.deepEqual(lookOf({ isTTY: true, columns: 0 }, {}), { width: 80, colour: true });
  assert.deepEqual(lookOf({}, {}), { width: Number.POSITIVE_INFINITY, colour: false });
  const colours: readonly [object, NodeJS.ProcessEnv, boolean][] = [
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { TERM: 'dumb' }, false],
    [terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }, true],
    [terminal, { FORCE_COLOR: '0' }, false],
    [{}, { FORCE_COLOR: '' }, true],
    [{}, { FORCE_COLOR: '3' }, true],
    [{}, { FORCE_COLOR: 'false' }, false],
  ];
  for (const [stream, env, colour] of colours)
    assert.equal(lookOf(stream, env).colour, colour, JSON.stringify([stream, env]));
});

test('figures in a few characters', () => {
  const rows = [
    [
      formatAge,
      [0, 850.4, 59_999, 245_000, 3_599_999, 11_520_000, 187_200_000],
      '0ms 850ms 59s 4m 05s 59m 59s 3h 12m 2d 4h',
    ],
    [
      formatTime,
      [0, 0.412, 3.71, 9.96, 118.2, 999.7, 1234, 45_000, 245_000],
      '0ms 0.41ms 3.7ms 10ms 118ms 1.0s 1.2s 45s 4m 05s',
    ],
    [formatBytes, [0, 4096, 64_000_000, 1_072_000_000, 2_000_000_000], '0 4K 61M 1.0G 1.9G'],
    [
      formatCount,
      [0, 999, 12_345, 999_999, 1_000_000, 2_411_008, 7_654_321_000],
      '0 999 12,345 999,999 1.00M 2.41M 7.65G',
    ],
    [formatRate, [0, 0.254, 7.12, 9.97, 1234.4], '0 0.25 7.1 10 1,234'],
  ] as const;
  for (const [format, values, expected] of rows) assert.equal(values.map(format).join(' '), expected);
});

test('a sparkline ends with the newest value; zero is its lowest block, the highest value a whole one', () => {
  assert.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8), '▁▂▃▄▅▆▇█');
  assert.equal(sparkline([100, 0, 50], 2), '▁█');
  assert.equal(sparkline([3], 4), '   █');
  assert.equal(sparkline([0, 0], 2), '▁▁');
  assert.equal(sparkline([], 3), '   ');
  assert.equal(sparkline([0, 1, 1_000_000], 3), '▁▂█');
});
