import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RestartLimits, RestartPolicy } from '../../src/group/restart-policy.ts';

const limits: RestartLimits = {
  restart: 'always',
  restartDelay: 100,
  restartDelayMax: 30_000,
  maxRestarts: 10,
  restartWindow: 60_000,
};
const failure = { failure: true, servedFor: 0 };
const clean = { failure: false, servedFor: 0 };

const noJitter = () => 0.5;

function policy(change: Partial<RestartLimits> = {}, random = noJitter): RestartPolicy {
  return new RestartPolicy({ ...limits, ...change }, random);
}

/** Lets `slot` fail `times` times in a row, `every` ms apart, and returns the delays. */
function delays(policy: RestartPolicy, times: number, { slot = 1, from = 0, every = 0 } = {}): number[] {
  return Array.from({ length: times }, (_, n) => {
    const verdict = policy.ended(slot, failure, from + n * every);
    assert.equal(verdict.action, 'restart');
    return verdict.action === 'restart' ? Math.round(verdict.delay) : Number.NaN;
  });
}

test('the first failure is restarted at once, the next ones with a delay that doubles', () => {
  assert.deepEqual(delays(policy(), 6), [0, 100, 200, 400, 800, 1600]);
});

test('a delay never exceeds restart_delay_max', () => {
  assert.deepEqual(delays(policy({ restartDelayMax: 300 }), 5), [0, 100, 200, 300, 300]);
  const latest = policy({ restartDelayMax: 300 }, () => 1);
  assert.ok(delays(latest, 8).every(delay => delay <= 300));
});

test('jitter spreads a delay by a fifth to either side', () => {
  assert.deepEqual(
    delays(
      policy({}, () => 0),
      3,
    ),
    [0, 80, 160],
  );
  assert.deepEqual(
    delays(
      policy({}, () => 1),
      3,
    ),
    [0, 120, 240],
  );
  const random = new RestartPolicy(limits);
  random.ended(1, failure, 0);
  const verdict = random.ended(1, failure, 0);
  assert.ok(verdict.action === 'restart' && verdict.delay >= 80 && verdict.delay <= 120);
});

test('each slot has a delay of its own, and all of them count for the window', () => {
  const shared = policy({ maxRestarts: 3 });
  assert.deepEqual(delays(shared, 2, { slot: 1 }), [0, 100]);
  assert.deepEqual(delays(shared, 1, { slot: 2 }), [0]);
  assert.equal(shared.failed, false);
  assert.deepEqual(delays(shared, 1, { slot: 3 }), [30_000]);
  assert.equal(shared.failed, true);
});

test('S36 max_restarts failures within the window are borne, one more makes the group failed', () => {
  const strict = policy({ maxRestarts: 3 });
  delays(strict, 3);
  assert.equal(strict.failed, false);
  assert.deepEqual(delays(strict, 1), [30_000]);
  assert.equal(strict.failed, true);
});

test('failures that have left the window do not count', () => {
  const strict = policy({ maxRestarts: 2 });
  for (let n = 0; n < 10; n++) delays(strict, 1, { slot: n, from: (n * limits.restartWindow) / 2 });
  assert.equal(strict.failed, false);
});

for (const random of [0, 1]) {
  test(`S36 with the defaults a crash loop ends in failed, however slow its boots are (random ${random})`, () => {
    const standard = policy({}, () => random);
    let now = 0;
    for (let n = 0; n < 11; n++) {
      const verdict = standard.ended(1, failure, now);
      assert.ok(verdict.action === 'restart');
      now += verdict.delay + 5000;
    }
    assert.equal(standard.failed, true);
  });
}

test('S36 a failed group is retried at the slow pace for as long as it fails', () => {
  const strict = policy({ maxRestarts: 2 });
  delays(strict, 3);
  assert.deepEqual(delays(strict, 5, { from: 30_000, every: 30_000 }), Array(5).fill(30_000));
  assert.equal(strict.failed, true);
});

test('S36 a ready worker ends the failed state; one that fails right after it brings it back', () => {
  const strict = policy({ maxRestarts: 2 });
  delays(strict, 3);
  strict.ready();
  assert.equal(strict.failed, false);
  assert.deepEqual(delays(strict, 1, { from: 30_000 }), [30_000], 'no fast retries over and over');
  assert.equal(strict.failed, true);
});

test('a quiet time longer than window and slow retry together starts a new count', () => {
  const strict = policy({ maxRestarts: 2 });
  delays(strict, 3);
  const later = limits.restartWindow + limits.restartDelayMax + 1;
  assert.deepEqual(delays(strict, 2, { from: later }), [0, 100]);
  assert.equal(strict.failed, false);
});

test('a worker that served longer than the window is restarted at once, and its slot starts a new count', () => {
  const steady = policy();
  delays(steady, 4);
  const verdict = steady.ended(1, { failure: true, servedFor: limits.restartWindow }, 1000);
  assert.deepEqual(verdict, { action: 'restart', delay: 0 });
  assert.deepEqual(delays(steady, 2, { from: 1000 }), [0, 100]);
});

test('restart = always restarts a clean exit, with backoff as well', () => {
  const always = policy();
  assert.deepEqual(always.ended(1, clean, 0), { action: 'restart', delay: 0 });
  assert.deepEqual(always.ended(1, clean, 0), { action: 'restart', delay: 100 });
});

test('restart = on-failure gives up after a clean exit only', () => {
  const onFailure = policy({ restart: 'on-failure' });
  assert.deepEqual(onFailure.ended(1, failure, 0), { action: 'restart', delay: 0 });
  assert.deepEqual(onFailure.ended(1, clean, 0), { action: 'give-up' });
});

test('restart = never gives up after any exit', () => {
  const never = policy({ restart: 'never' });
  assert.deepEqual(never.ended(1, failure, 0), { action: 'give-up' });
  assert.deepEqual(never.ended(2, clean, 0), { action: 'give-up' });
  assert.equal(never.failed, false);
});

test('reset takes the new limits and forgets what was', () => {
  const changing = policy({ maxRestarts: 2 });
  delays(changing, 3);
  changing.reset({ ...limits, restartDelay: 7 });
  assert.equal(changing.failed, false);
  assert.deepEqual(delays(changing, 3), [0, 7, 14]);
});
