import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { withResolvers } from '../../src/promise.ts';
import { Successor } from '../../src/supervisor/successor.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { isAlive, titleOf, until } from '../helpers/processes.ts';

/** A new supervisor that is this script, and a clock that the test sets. */
function start(t: TestContext, script: string) {
  const { promise: outcome, resolve } = withResolvers<string>();
  let now = 0;
  const successor = new Successor({
    origin: {
      command: process.execPath,
      args: ['--input-type=module', '-e', `${script}; setInterval(() => {}, 1000);`],
      directory: process.cwd(),
      env: process.env,
    },
    handover: {
      pid: process.pid,
      instance: 1,
      isDaemon: false,
      pidfiles: [],
      locks: {},
      sockets: {},
      foreign: [],
      held: [],
    },
    logFile: undefined,
    bootTimeout: 1000,
    gracefulTimeout: 2000,
    now: () => now,
    onReady: () => resolve('ready'),
    onFailure: resolve,
    onLoss: how => resolve(`lost: ${how}`),
  });
  const pid = successor.pid as number;
  cleanUp(t, () => isAlive(pid) && process.kill(pid, 'SIGKILL'));
  return {
    successor,
    pid,
    outcome,
    /** `ms` from the start. */
    at(ms: number): void {
      now = ms;
      successor.check();
    },
  };
}

/** Whether the process has a handler of its own for TERM. */
function handlesTerm(pid: number): boolean {
  const mask = /^SigCgt:\s+([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (BigInt(`0x${mask}`) & (1n << 14n)) !== 0n;
}

const deaf = `process.on('SIGTERM', () => {})`;

test('a new supervisor that says nothing within boot_timeout and a margin is ended', async t => {
  const { outcome, at, pid } = start(t, '');
  at(3999);
  assert.ok(isAlive(pid));
  at(4000);
  assert.equal(await outcome, 'it was not ready in time');
});

test('one that does not stop within graceful_timeout and a margin is killed', async t => {
  const { successor, outcome, at, pid } = start(t, deaf);
  await until('it ignores TERM', () => handlesTerm(pid));
  successor.giveUp('no longer wanted');
  at(4999);
  assert.ok(successor.isPending && isAlive(pid));
  at(5000);
  assert.equal(await outcome, 'no longer wanted');
  assert.ok(!isAlive(pid) && !successor.isPending);
});

test('once it has begun, its own configuration says how long it may take', async t => {
  const report = `process.send({ type: 'booting', limit: 60_000 })`;
  const { successor, outcome, at, pid } = start(
    t,
    `process.on('SIGUSR2', () => { process.title = 'told'; }); ${report}`,
  );
  await until('a signal is passed on, as it says that it handles signals', () => {
    successor.forward('SIGUSR2');
    return titleOf(pid) === 'told';
  });
  at(62_999);
  assert.ok(isAlive(pid));
  at(63_000);
  assert.equal(await outcome, 'it was not ready in time');
});

test('one that is ready just as it is given up does not take over', async t => {
  const { successor, outcome, pid } = start(
    t,
    `process.on('SIGTERM', () => process.send({ type: 'ready', warnings: [], sockets: [] }, () => process.exit()))`,
  );
  await until('it handles TERM', () => handlesTerm(pid));
  successor.giveUp('the supervisor is stopping');
  assert.equal(await outcome, 'the supervisor is stopping');
});

test('its own reason counts, also where it arrives with its end', async t => {
  const { outcome } = start(
    t,
    `process.send({ type: 'failed', reason: 'm'.repeat(300_000), exitCode: 2 }, () => process.exit(2))`,
  );
  assert.equal(await outcome, 'm'.repeat(300_000));
});
