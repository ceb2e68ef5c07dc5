import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moment } from '../../src/cli/logs/since.ts';

test('a date is one of this machine, whether it has a time or not, unless it says otherwise', () => {
  for (const [text, expected] of [
    ['2026-01-31', new Date(2026, 0, 31)],
    ['2026-01-31T12:00', new Date(2026, 0, 31, 12)],
    ['2026-01-31 12:00', new Date(2026, 0, 31, 12)],
    ['2026-01-31T12:00Z', new Date(Date.UTC(2026, 0, 31, 12))],
  ] as const) {
    assert.deepEqual([text, new Date(moment.parse(text, '/'))], [text, expected]);
  }
  const before = Date.now();
  const ago = moment.parse('10m', '/');
  assert.ok(before - 600_000 <= ago && ago <= Date.now() - 600_000);
  for (const text of ['2026-13-01', '2026-02-31x', 'yesterday', '']) {
    assert.throws(() => moment.parse(text, '/'), /expected a duration such as 90s/);
  }
});
