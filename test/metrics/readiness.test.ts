import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SectionStatus, Status } from '../../src/control/protocol.ts';
import { readinessOf } from '../../src/metrics/readiness.ts';
import type { MeasuredGroup } from '../../src/metrics/snapshot.ts';
import { groupOf, heartbeatOf, sectionOf, statusWith } from './support.ts';

function readiness(
  section: Partial<SectionStatus>,
  group: Partial<MeasuredGroup> = {},
  state: Status['supervisor']['state'] = 'running',
) {
  const status = statusWith([sectionOf('web', section)], state);
  const { ready, sections, reason } = readinessOf(status, [groupOf('web', group)]);
  return [ready, reason ?? sections.web?.reason];
}

const two = { workers: { ready: 2, wanted: 2 } };
const one = { workers: { ready: 1, wanted: 2 } };
const none = { workers: { ready: 0, wanted: 2 } };
const connected = (queue: { connected: boolean; reason?: string }) => ({
  pid: 1,
  state: 'ready' as const,
  heartbeat: heartbeatOf({ queue }),
});

test('a section is ready with all workers at first, and with one from then on', () => {
  assert.deepEqual(readiness({ state: 'starting', ...one }), [false, '1 of 2 workers are ready']);
  assert.deepEqual(readiness({ state: 'running', ...two }), [true, undefined]);
  for (const state of ['running', 'reloading', 'backoff'] as const) {
    assert.deepEqual(readiness({ state, ...one }), [true, undefined], state);
    assert.deepEqual(readiness({ state, ...none }), [false, 'no worker is ready'], state);
  }
  const lastFailure = 'Error: no database';
  assert.deepEqual(readiness({ state: 'backoff', ...none, lastFailure }), [
    false,
    'no worker is ready; Error: no database',
  ]);
});

test('a failed section is not ready, even where a worker still serves', () => {
  assert.deepEqual(readiness({ state: 'failed', ...one, lastFailure: 'exited with code 1' }), [
    false,
    'exited with code 1',
  ]);
});

test('what was stopped on purpose, or has done its work, does not count; what has given up does', () => {
  const stopped = { state: 'stopped', workers: { ready: 0, wanted: 1 } } as const;
  assert.deepEqual(readiness(stopped), [true, 'stopped, so it does not count']);
  assert.deepEqual(readiness({ state: 'running', workers: { ready: 0, wanted: 0 } }), [
    true,
    'stopped, so it does not count',
  ]);
  const lastFailure = 'exited with code 3';
  assert.deepEqual(readiness({ ...stopped, lastFailure }, { hasGivenUp: true }), [
    false,
    'no worker is ready; exited with code 3',
  ]);
});

test('a supervisor that starts or stops is not ready, whatever its workers are', () => {
  for (const state of ['starting', 'stopping'] as const) {
    const outcome = readiness({ state: 'running', ...two }, {}, state);
    assert.deepEqual(outcome, [false, `the supervisor is ${state}`]);
  }
});

test('one that has handed over leaves the answer to the one in charge', () => {
  const { ready, reason } = readinessOf(statusWith([], 'stopping'), [], 4711);
  assert.deepEqual([ready, reason], [true, 'pid 4711 is in charge']);
});

test('a section with a queue is ready when one of its workers takes jobs from it', () => {
  const lost = connected({ connected: false, reason: 'ECONNREFUSED 127.0.0.1:6379' });
  const running = { state: 'running', ...two } as const;
  assert.deepEqual(readiness(running, { workers: [lost, lost] }), [
    false,
    'queue: ECONNREFUSED 127.0.0.1:6379',
  ]);
  assert.deepEqual(readiness(running, { workers: [lost, connected({ connected: true })] }), [
    true,
    undefined,
  ]);
});
