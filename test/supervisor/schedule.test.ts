import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { withResolvers } from '../../src/promise.ts';
import { Schedule } from '../../src/supervisor/schedule.ts';

/** A schedule with a clock that the test sets, and runs that it ends. */
function scheduleAt(time: string, pattern: string, timezone = 'UTC') {
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: line => void lines.push(JSON.parse(line).msg) });
  const runs: { at: string; end: () => void; fail: (error: Error) => void }[] = [];
  let now = Date.parse(time);
  const run = () => {
    const { promise, resolve, reject } = withResolvers<void>();
    runs.push({ at: new Date(now).toISOString().slice(11, 19), end: resolve, fail: reject });
    return promise;
  };
  const schedule = new Schedule({ pattern, timezone, logger, run, now: () => now });
  const goTo = (next: string) => {
    now = Date.parse(next);
    schedule.tick();
  };
  /** Ticks every second until then; each run ends at once. */
  const walkTo = async (until: string) => {
    for (const end = Date.parse(until); now < end; ) {
      now += 1000;
      schedule.tick();
      runs.at(-1)?.end();
      await new Promise(setImmediate);
    }
  };
  return { schedule, runs, lines, goTo, walkTo, times: () => runs.map(({ at }) => at) };
}

test('it runs at its times, and at no other', async () => {
  const { walkTo, times } = scheduleAt('2026-03-01T10:00:00Z', '*/5 * * * *');
  await walkTo('2026-03-01T10:16:00Z');
  assert.deepEqual(times(), ['10:05:00', '10:10:00', '10:15:00']);
});

test('its time zone is the one that is set, with its summer time', async () => {
  const { schedule } = scheduleAt('2026-03-28T12:00:00Z', '30 2 * * *', 'Europe/Zurich');
  // There is no half past two on that day: it comes when the clock has been set.
  assert.equal(schedule.next?.toISOString(), '2026-03-29T01:00:00.000Z');
  const later = scheduleAt('2026-03-29T12:00:00Z', '30 2 * * *', 'Europe/Zurich');
  assert.equal(later.schedule.next?.toISOString(), '2026-03-30T00:30:00.000Z');
});

test('a run that is due while one is under way is skipped, and logged', async () => {
  const { runs, lines, goTo } = scheduleAt('2026-03-01T10:00:00Z', '* * * * *');
  goTo('2026-03-01T10:01:00Z');
  goTo('2026-03-01T10:02:00Z');
  assert.equal(runs.length, 1);
  assert.deepEqual(lines, ['schedule: skipped, the run of 2026-03-01T10:01:00.000Z is not over']);
  runs[0]?.end();
  await new Promise(setImmediate);
  goTo('2026-03-01T10:03:00Z');
  assert.equal(runs.length, 2);
});

test('a run that failed is logged, and the next one comes', async () => {
  const { runs, lines, goTo } = scheduleAt('2026-03-01T10:00:00Z', '* * * * *');
  goTo('2026-03-01T10:01:00Z');
  runs[0]?.fail(new TypeError('no'));
  await new Promise(setImmediate);
  assert.deepEqual(lines, ['schedule: the run failed']);
  goTo('2026-03-01T10:02:00Z');
  assert.equal(runs.length, 2);
});

test('what was missed while the machine slept runs once, when it wakes', async () => {
  const { runs, goTo, walkTo, times } = scheduleAt('2026-03-01T10:00:00Z', '*/5 * * * *');
  goTo('2026-03-01T17:32:10Z');
  runs[0]?.end();
  await walkTo('2026-03-01T17:36:00Z');
  assert.deepEqual(times(), ['17:32:10', '17:35:00']);
});

test('S56 a clock that is corrected backwards runs nothing twice, and delays nothing', async () => {
  const { runs, goTo, walkTo, times } = scheduleAt('2026-03-01T10:04:00Z', '*/5 * * * *');
  goTo('2026-03-01T10:05:01Z');
  runs[0]?.end();
  await new Promise(setImmediate);
  goTo('2026-03-01T10:04:30Z');
  await walkTo('2026-03-01T10:11:00Z');
  assert.deepEqual(times(), ['10:05:01', '10:10:00']);
});

test('S56 a clock that was wrong by hours is believed once it is right', async () => {
  const { runs, goTo, walkTo, times } = scheduleAt('2026-03-01T22:00:00Z', '*/5 * * * *');
  goTo('2026-03-01T22:05:00Z');
  runs[0]?.end();
  await new Promise(setImmediate);
  goTo('2026-03-01T10:01:00Z');
  await walkTo('2026-03-01T10:06:00Z');
  assert.deepEqual(times(), ['22:05:00', '10:05:00']);
});
