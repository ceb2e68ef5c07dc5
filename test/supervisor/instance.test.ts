import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Instance } from '../../src/supervisor/instance.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { createProject, type Project } from '../helpers/project.ts';

type Claim = (names: readonly string[], single?: boolean) => Promise<Instance>;

function setUp(t: TestContext): { project: Project; claim: Claim; files: () => string[] } {
  const project = createProject(t, {});
  const names = ['a', 'b', 'c'].flatMap(name => [name, ...[2, 3, 4].map(k => `${name}.${k}`)]);
  return {
    project,
    async claim(paths, single = false) {
      const instance = await Instance.claim({
        pidfiles: paths.map(project.path),
        singleInstance: single,
        controlSocket: project.path('.ph.sock'),
      });
      cleanUp(t, () => instance.release());
      return instance;
    },
    /** The pidfiles that are there. */
    files: () => names.filter(name => existsSync(project.path(name))),
  };
}

test('single: the second claim of a pidfile is refused and names the first', async t => {
  const { project, claim, files } = setUp(t);
  assert.equal((await claim(['a'], true)).number, 1);
  await assert.rejects(claim(['a'], true), {
    name: 'AlreadyRunningError',
    message: `already running: pid ${process.pid} holds ${project.path('a')}`,
  });
  assert.deepEqual(files(), ['a']);
});

test('several: the k-th takes <pidfile>.k, and a number that was freed is used again', async t => {
  const { claim, files } = setUp(t);
  const first = await claim(['a']);
  const second = await claim(['a']);
  const third = await claim(['a']);
  assert.deepEqual([first.number, second.number, third.number], [1, 2, 3]);
  assert.deepEqual(files(), ['a', 'a.2', 'a.3']);

  second.release();
  assert.deepEqual(files(), ['a', 'a.3']);
  assert.equal((await claim(['a'])).number, 2);
  first.release();
  assert.equal((await claim(['a'])).number, 1);
});

test('a supervisor that is to be the only one is refused beside one that is not', async t => {
  const { claim } = setUp(t);
  await claim(['a'], false);
  await assert.rejects(claim(['a'], true), { name: 'AlreadyRunningError' });
});

test('one that need not be the only one gets the next number beside one that wants to be', async t => {
  const { claim, files } = setUp(t);
  await claim(['a'], true);
  assert.equal((await claim(['a'], false)).number, 2);
  assert.deepEqual(files(), ['a', 'a.2']);
});

test('several pidfiles are claimed all or none, with one number', async t => {
  const { claim, files } = setUp(t);
  await claim(['b'], true);
  await assert.rejects(claim(['a', 'b'], true), { name: 'AlreadyRunningError' });
  assert.deepEqual(files(), ['b'], 'what was claimed before is given back');

  const instance = await claim(['a', 'b'], false);
  assert.equal(instance.number, 2);
  assert.deepEqual(files(), ['a.2', 'b', 'b.2']);
});

test('any other problem than another supervisor is reported at once', async t => {
  const { project, claim } = setUp(t);
  project.write('a', 'x'.repeat(100));
  await assert.rejects(claim(['a'], false), { name: 'PidfileError', message: /holds 100 bytes/ });
});

test('without a pidfile each still has a number of its own, and there is no file', async t => {
  const { claim, project } = setUp(t);
  const first = await claim([], true);
  assert.deepEqual([first.number, (await claim([], true)).number], [1, 2]);
  first.takeCharge();
  first.release();
  assert.equal((await claim([], true)).number, 1);
  assert.deepEqual(readdirSync(project.directory), ['node_modules']);
});

test('a new pidfile is claimed at prepare, the old one is given up at commit', async t => {
  const { project, claim, files } = setUp(t);
  const instance = await claim(['a', 'b']);
  const change = await instance.prepare(['b', 'c'].map(project.path));
  assert.deepEqual(files(), ['a', 'b', 'c']);
  change.commit();
  assert.deepEqual(files(), ['b', 'c']);
  assert.equal(readFileSync(project.path('c'), 'utf8'), `${process.pid}\n`);
  await claim(['a'], true);
  instance.release();
  assert.deepEqual(files(), ['a']);
});

test('a change that is rolled back gives up what was new and keeps what was there', async t => {
  const { project, claim, files } = setUp(t);
  const instance = await claim(['a']);
  (await instance.prepare(['c'].map(project.path))).rollback();
  assert.deepEqual(files(), ['a']);
  await claim(['c'], true);
  await assert.rejects(claim(['a'], true), { name: 'AlreadyRunningError' });
});

test('a new pidfile that another supervisor holds is refused, and everything stays', async t => {
  const { project, claim, files } = setUp(t);
  const instance = await claim(['a']);
  await claim(['c'], true);
  await assert.rejects(instance.prepare(['b', 'c'].map(project.path)), { name: 'AlreadyRunningError' });
  assert.deepEqual(files(), ['a', 'c']);
  assert.deepEqual(
    instance.pidfiles.map(({ path }) => path),
    [project.path('a')],
  );
});

test('the second of several keeps its number at a change', async t => {
  const { project, claim, files } = setUp(t);
  await claim(['a']);
  const second = await claim(['a']);
  (await second.prepare(['c'].map(project.path))).commit();
  assert.deepEqual(files(), ['a', 'c.2']);
});
