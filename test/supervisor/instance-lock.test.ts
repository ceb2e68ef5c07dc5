import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { tryLock } from '../../src/supervisor/instance-lock.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { createProject } from '../helpers/project.ts';
import { type Claimant, startClaimant } from './claimant.ts';

test('a lock is held by one, who says its pid, until it is released', async t => {
  const path = createProject(t, {}).path('ph.pid');
  const first = await tryLock(path);
  assert.ok(first.acquired);
  assert.deepEqual(await tryLock(path), { acquired: false, holder: process.pid });

  first.lock.release();
  const second = await tryLock(path);
  assert.ok(second.acquired);
  second.lock.release();
});

test('locks of different names, and of the same name in different directories, are different', async t => {
  const project = createProject(t, { 'a/x': '', 'b/x': '' });
  for (const name of ['a/one.pid', 'a/two.pid', 'b/one.pid']) {
    const lock = await tryLock(project.path(name));
    assert.ok(lock.acquired, name);
    cleanUp(t, () => lock.lock.release());
  }
});

test('a lock is the same to every version of Node: its name leaves no room that one of them would fill up', async t => {
  const lock = await tryLock(createProject(t, {}).path('ph.pid'));
  assert.ok(lock.acquired);
  cleanUp(t, () => lock.lock.release());
  // @ stands for what a name of 108 bytes is filled up with.
  const names = readFileSync('/proc/net/unix', 'utf8').match(/@processhandler-.*/g) ?? [];
  const name = names.find(each => each.includes(lock.lock.name)) ?? '';
  assert.equal(name.length, 108);
  assert.doesNotMatch(name.slice(1), /@/);
});

test('a lock keeps no process alive, and is gone with it after kill -9', async t => {
  const path = createProject(t, {}).path('ph.pid');
  const holder = await startClaimant(t, path);
  await holder.tell('claim');
  assert.deepEqual(await tryLock(path), { acquired: false, holder: holder.pid });
  await holder.kill();
  const lock = await tryLock(path);
  assert.ok(lock.acquired);
  lock.lock.release();
});

test('of many tries at once in one process exactly one succeeds', async t => {
  const path = createProject(t, {}).path('ph.pid');
  const locks = await Promise.all(Array.from({ length: 100 }, () => tryLock(path)));
  const [winner, ...others] = locks.filter(lock => lock.acquired);
  assert.ok(winner?.acquired);
  assert.equal(others.length, 0);
  for (const lock of locks) if (!lock.acquired) assert.equal(lock.holder, process.pid);
  winner.lock.release();
});

test('S53 twenty processes that wait for the same moment: one wins, the others name it', async t => {
  const path = createProject(t, {}).path('ph.pid');
  const claimants = await Promise.all(Array.from({ length: 20 }, () => startClaimant(t, path)));
  const answers = await Promise.all(claimants.map(claimant => claimant.tell('claim')));
  const winners = claimants.filter((_, i) => answers[i]?.won);
  assert.equal(winners.length, 1);
  const [winner] = winners as [Claimant];
  for (const answer of answers) {
    if (answer.won) assert.equal(answer.content, winner.pid);
    else assert.deepEqual([answer.code, answer.pid], ['PH_ERR_ALREADY_RUNNING', winner.pid]);
  }
});

test('validate-then-rename races: whoever holds a pidfile finds its own pid in it, however others claim and give up', async t => {
  const path = createProject(t, {}).path('ph.pid');
  const claimants = await Promise.all([1, 2, 3, 4].map(() => startClaimant(t, path)));
  let wins = 0;
  const deadline = performance.now() + 1500;
  let holders = 0;
  await Promise.all(
    claimants.map(async claimant => {
      while (performance.now() < deadline) {
        const answer = await claimant.tell('claim');
        if (!answer.won) {
          assert.equal(answer.code, 'PH_ERR_ALREADY_RUNNING', answer.message);
          await nextTurn();
          continue;
        }
        assert.equal(++holders, 1, 'two hold it');
        assert.equal(answer.content, claimant.pid);
        wins++;
        await delay(1);
        holders--;
        await claimant.tell('release');
      }
    }),
  );
  assert.ok(wins > 20, `it was contended: ${wins}`);
});

test('a lock outlives its directory: one made anew at the same place does not mean another lock', async t => {
  const { directory } = createProject(t, {});
  const home = join(directory, 'run');
  mkdirSync(home);
  const first = await tryLock(join(home, 'ph.pid'));
  rmSync(home, { recursive: true });
  mkdirSync(home);
  const second = await tryLock(join(home, 'ph.pid'));
  assert.deepEqual([first.acquired, second.acquired], [true, false]);
  if (first.acquired) first.lock.release();
});
