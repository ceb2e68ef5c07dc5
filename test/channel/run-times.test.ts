import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RunTimes } from '../../src/channel/run-times.ts';

function after(...runs: readonly number[]): number {
  const times = new RunTimes();
  for (const ms of runs) times.record('task', ms);
  return times.guess('task');
}

const times = (count: number, ms: number): number[] => Array(count).fill(ms);

test('a task that never ran may take for ever', () => {
  assert.equal(new RunTimes().guess('task'), Number.POSITIVE_INFINITY);
});

test('after its first run a task is taken to run as long again, and a little longer', () => {
  for (const ms of [0, 0.01, 1, 1000]) {
    const guess = after(ms);
    assert.ok(guess > ms && guess < ms + 0.1, `${guess} after ${ms}`);
  }
});

test('each name has its own', () => {
  const own = new RunTimes();
  own.record('long', 100);
  own.record('short', 0.1);
  assert.ok(own.guess('long') >= 100);
  assert.ok(own.guess('short') < 1);
  assert.equal(own.guess('other'), Number.POSITIVE_INFINITY);
});

test('a few long runs make a task long', () => {
  assert.ok(after(...times(1000, 0.01), 10) > 1, 'after one');
  assert.ok(after(...times(1000, 0.01), ...times(10, 10)) > 9, 'after ten');
});

test('a task that is long now and then counts as long', () => {
  const runs = Array.from({ length: 5000 }, (_, n) => (n % 50 === 0 ? 20 : 0.01));
  assert.ok(after(...runs) > 1, String(after(...runs)));
});

test('one short run does not make a task short; a thousand do', () => {
  assert.ok(after(...times(10, 10), 0.01) > 9);
  assert.ok(after(...times(10, 10), ...times(1000, 0.01)) < 0.1);
});

test('a guess is never below the shortest run, nor far above the longest', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), runs => {
      const guess = after(...runs);
      assert.ok(guess >= Math.min(...runs) && guess <= Math.max(...runs) + 0.1, String(guess));
    }),
  );
});
