import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AlreadyRunningError, PidfileError } from '../../src/errors.ts';
import { Pidfile, readPid } from '../../src/supervisor/pidfile.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { asNobody, noOtherUser } from '../helpers/nobody.ts';
import { createProject, type Project } from '../helpers/project.ts';
import { startClaimant } from './claimant.ts';

const ours = `${process.pid}\n`;

/** A path for a pidfile, in a directory of its own. */
function setUp(t: TestContext): { project: Project; path: string; claim: () => Promise<Pidfile> } {
  const project = createProject(t, {});
  const path = project.path('ph.pid');
  return {
    project,
    path,
    async claim() {
      const pidfile = await Pidfile.claim(path);
      cleanUp(t, () => pidfile.release());
      return pidfile;
    },
  };
}

function pidOfTheDead(): number {
  return spawnSync('true').pid;
}

const textOf = (path: string) => readFileSync(path, 'utf8');

test('S26 without a file: the pid is written, alone on one line, readable by all', async t => {
  const { path, project, claim } = setUp(t);
  await claim();
  assert.equal(textOf(path), ours);
  assert.equal(statSync(path).mode & 0o777, 0o644);
  assert.deepEqual(readdirSync(project.directory), ['node_modules', 'ph.pid'], 'no temporary file is left');
});

const leftovers: Record<string, () => string> = {
  'an empty file': () => '',
  'white space': () => ' \n\n',
  garbage: () => 'not a pid\0',
  'a negative number': () => '-1\n',
  'the pid of a dead owner': () => `${pidOfTheDead()}\n`,
  'a pid that a stranger has now': () => `${process.ppid}\n`,
  'pid 1, a process of another user perhaps': () => '1\n',
};
for (const [what, content] of Object.entries(leftovers)) {
  test(`S26 ${what} is no owner: the file is taken over`, async t => {
    const { path, project, claim } = setUp(t);
    project.write('ph.pid', content());
    await claim();
    assert.equal(textOf(path), ours);
  });
}

test('S26 a live owner: the claim is refused with its pid, and the file is not touched', async t => {
  const { path } = setUp(t);
  const owner = await startClaimant(t, path);
  assert.deepEqual(await owner.tell('claim'), { won: true, content: owner.pid });
  const before = statSync(path);

  await assert.rejects(Pidfile.claim(path), (error: unknown) => {
    assert.ok(error instanceof AlreadyRunningError);
    assert.equal(error.pid, owner.pid);
    assert.equal(error.message, `already running: pid ${owner.pid} holds ${path}`);
    return true;
  });
  const after = statSync(path);
  assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);
});

test('S26 a live owner whose pidfile was removed or overwritten still is the owner', async t => {
  const { path, project } = setUp(t);
  const owner = await startClaimant(t, path);
  await owner.tell('claim');
  rmSync(path);
  await assert.rejects(Pidfile.claim(path), { name: 'AlreadyRunningError', pid: owner.pid });
  project.write('ph.pid', `${pidOfTheDead()}\n`);
  await assert.rejects(Pidfile.claim(path), { name: 'AlreadyRunningError', pid: owner.pid });
});

test('S26 a live owner that is stopped cannot answer: its pid comes from the file', async t => {
  const { path } = setUp(t);
  const owner = await startClaimant(t, path);
  await owner.tell('claim');
  owner.signal('SIGSTOP');
  await assert.rejects(Pidfile.claim(path), { name: 'AlreadyRunningError', pid: owner.pid });
});

test('S26 a live owner of another user is an owner', { skip: noOtherUser }, async t => {
  const { path, project } = setUp(t);
  chmodSync(project.directory, 0o777);
  const owner = await startClaimant(t, path, asNobody);
  assert.equal((await owner.tell('claim')).won, true);
  await assert.rejects(Pidfile.claim(path), { name: 'AlreadyRunningError', pid: owner.pid });
  assert.equal(textOf(path), `${owner.pid}\n`);
});

test('S26 a pid that a process of another user has now is no owner', { skip: noOtherUser }, async t => {
  const { path, project } = setUp(t);
  chmodSync(project.directory, 0o777);
  // Our own: the other user may not even ask whether it lives.
  project.write('ph.pid', ours);
  const claimant = await startClaimant(t, path, asNobody);
  assert.deepEqual(await claimant.tell('claim'), { won: true, content: claimant.pid });
});

test('S26 a dead owner: after kill -9 nothing of its lock is left', async t => {
  const { path, claim } = setUp(t);
  const owner = await startClaimant(t, path);
  await owner.tell('claim');
  await owner.kill();
  assert.equal(textOf(path), `${owner.pid}\n`);
  await claim();
  assert.equal(textOf(path), ours);
});

test('S26 a larger file of somebody else is refused and not touched', async t => {
  const { path, project, claim } = setUp(t);
  const poem = 'a file that someone has worked on for a long time\n'.repeat(3);
  project.write('ph.pid', poem);
  await assert.rejects(Pidfile.claim(path), (error: unknown) => {
    assert.ok(error instanceof PidfileError);
    assert.equal(
      error.message,
      `pidfile ${path}: holds ${poem.length} bytes of something else; remove it, or name another file`,
    );
    return true;
  });
  assert.equal(textOf(path), poem);

  rmSync(path);
  await claim();
  assert.equal(textOf(path), ours, 'the lock was given back');
});

test('S26 a directory is refused', async t => {
  const { path } = setUp(t);
  mkdirSync(path);
  await assert.rejects(Pidfile.claim(path), {
    name: 'PidfileError',
    message: `pidfile ${path}: is not a file`,
  });
  assert.ok(statSync(path).isDirectory());
});

test('S26 a symbolic link to a larger file of somebody else is refused, link and file are not touched', async t => {
  const { path, project } = setUp(t);
  const target = project.write('diary.txt', 'x'.repeat(100));
  symlinkSync(target, path);
  await assert.rejects(Pidfile.claim(path), { name: 'PidfileError', message: /holds 100 bytes/ });
  assert.equal(readlinkSync(path), target);
  assert.equal(textOf(target), 'x'.repeat(100));
});

for (const [what, content] of [
  ['to a file of one line', '123\n'],
  ['that leads nowhere', undefined],
] as const) {
  test(`S26 a symbolic link ${what} is replaced, and nothing is written through it`, async t => {
    const { path, project, claim } = setUp(t);
    const target = project.path('elsewhere.pid');
    if (content !== undefined) project.write('elsewhere.pid', content);
    symlinkSync(target, path);
    await claim();
    assert.ok(lstatSync(path).isFile());
    assert.equal(textOf(path), ours);
    if (content === undefined) assert.throws(() => statSync(target), { code: 'ENOENT' });
    else assert.equal(textOf(target), content);
  });
}

test('a directory that is not there is an error that names the pidfile', async t => {
  const path = createProject(t, {}).path('missing/ph.pid');
  await assert.rejects(Pidfile.claim(path), {
    name: 'PidfileError',
    message: /^pidfile .*missing\/ph\.pid: /,
  });
});

test('every spelling of a path, and a symbolic link to its directory, mean the same pidfile', async t => {
  const { path, project, claim } = setUp(t);
  await claim();
  symlinkSync(dirname(path), project.path('alias'));
  for (const other of [`${dirname(path)}/./ph.pid`, project.path('alias/ph.pid')]) {
    await assert.rejects(Pidfile.claim(other), { name: 'AlreadyRunningError', pid: process.pid });
  }
});

test('the file is removed at release, and the pidfile can be claimed again', async t => {
  const { path, claim } = setUp(t);
  const first = await claim();
  first.release();
  assert.equal(readPid(path), undefined);
  await claim();
  assert.equal(textOf(path), ours);
});

test('release leaves a file that is no longer ours', async t => {
  const { path, project, claim } = setUp(t);
  const pidfile = await claim();
  project.write('ph.pid', '1\n');
  pidfile.release();
  assert.equal(textOf(path), '1\n');
});

test('release is quiet where the file, or its directory, is gone', async t => {
  const { path, claim } = setUp(t);
  const first = await claim();
  rmSync(path);
  first.release();
  const second = await claim();
  renameSync(dirname(path), `${dirname(path)}.moved`);
  cleanUp(t, () => rmSync(`${dirname(path)}.moved`, { recursive: true, force: true }));
  second.release();
});

test('S28 a removed file is restored, one that is there is left alone', async t => {
  const { path, claim } = setUp(t);
  const pidfile = await claim();
  const { ino } = statSync(path);
  assert.equal(pidfile.restore(), false);
  assert.equal(statSync(path).ino, ino);
  rmSync(path);
  assert.equal(pidfile.restore(), true);
  assert.equal(textOf(path), ours);
});
