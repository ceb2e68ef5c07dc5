import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activatedFds, takeActivated } from '../../src/supervisor/activation.ts';

test('LISTEN_FDS counts from 3 and is for the process that it names', () => {
  assert.deepEqual(activatedFds({ LISTEN_PID: '7', LISTEN_FDS: '2' }, 7), [3, 4]);
  assert.deepEqual(activatedFds({ LISTEN_PID: '8', LISTEN_FDS: '2' }, 7), []);
  assert.deepEqual(activatedFds({ LISTEN_FDS: '2' }, 7), []);
  assert.deepEqual(activatedFds({ LISTEN_PID: '7' }, 7), []);
  for (const LISTEN_FDS of ['', 'x', '-1', '1e9', '99999']) {
    assert.deepEqual(activatedFds({ LISTEN_PID: '7', LISTEN_FDS }, 7), [], LISTEN_FDS);
  }
});

test('the variables are taken off, whomever they are for', () => {
  for (const pid of [process.pid, 1]) {
    const env = { LISTEN_PID: String(pid), LISTEN_FDS: '1', LISTEN_FDNAMES: 'web', PATH: '/bin' };
    assert.deepEqual(takeActivated(env, false), pid === 1 ? [] : [3]);
    assert.deepEqual(env, { PATH: '/bin' });
  }
});

test('what the caller of a daemon was started with is for the daemon', () => {
  const env = { LISTEN_PID: String(process.ppid), LISTEN_FDS: '1' };
  assert.deepEqual(takeActivated({ ...env }, true), [3]);
  assert.deepEqual(takeActivated({ ...env }, false), []);
});
