import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwakeClock } from '../../src/group/clock.ts';

function clockAt(start: number, longestStep: number) {
  let time = start;
  const clock = new AwakeClock(longestStep, () => time);
  return {
    clock,
    tickAfter(ms: number) {
      time += ms;
      clock.tick();
      return clock.now();
    },
  };
}

test('the clock starts at 0 and counts the time between ticks', () => {
  const { clock, tickAfter } = clockAt(123_456, 200);
  assert.equal(clock.now(), 0);
  assert.equal(tickAfter(100), 100);
  assert.equal(tickAfter(150), 250);
});

test('S10 a stop of an hour counts as one step', () => {
  const { tickAfter } = clockAt(0, 200);
  tickAfter(100);
  assert.equal(tickAfter(3_600_000), 300);
  assert.equal(tickAfter(100), 400, 'and the tick after it counts in full again');
});

test('time goes on between two ticks, by one step at the most', () => {
  let time = 0;
  const clock = new AwakeClock(200, () => time);
  time = 150;
  assert.equal(clock.now(), 150);
  time = 5000;
  assert.equal(clock.now(), 200);
  clock.tick();
  assert.equal(clock.now(), 200);
});

test('S56 its default is monotonic: a wall clock that jumps changes nothing', t => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 });
  const clock = new AwakeClock(200);
  t.mock.timers.setTime(3_600_000);
  clock.tick();
  assert.ok(clock.now() < 200);
});
