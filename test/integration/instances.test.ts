import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Ph, runPh, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, type Project, pidfilesOf } from '../helpers/project.ts';

const ini = (single: boolean, pidfile = 'ph.pid') =>
  `[app]\ntask = task.mjs\nthreads = 0\npidfile = ${pidfile}\nsingle_instance = ${single}\n`;

const saysInstance = `
  import { Worker } from 'processhandler';
  export default class extends Worker {
    setup() { this.logger.info(\`instance \${process.env.PH_INSTANCE}\`); }
  }`;

function setUp(t: TestContext, files: Readonly<Record<string, string>> = {}) {
  const project = createProject(t, { 'ph.ini': ini(false), 'task.mjs': saysInstance, ...files });
  const start = async (...args: string[]) => {
    const ph = startPh(t, ['run', ...args], { cwd: project.directory });
    await ph.ready();
    return ph;
  };
  return { project, start };
}

/** The number that its worker and its log give, and the pid in the pidfile of that number. */
async function identityOf(ph: Ph, project: Project) {
  const { instance } = await ph.log('supervising');
  const { msg } = await ph.log(/^instance \d+$/);
  const name = instance === 1 ? 'ph.pid' : `ph.pid.${instance}`;
  return { instance, told: msg, pid: readFileSync(project.path(name), 'utf8') };
}

test('with single_instance = false the k-th supervisor takes <pidfile>.k, and its workers see the number', async t => {
  const { project, start } = setUp(t);
  for (const number of [1, 2, 3]) {
    const ph = await start();
    assert.deepEqual(await identityOf(ph, project), {
      instance: number,
      told: `instance ${number}`,
      pid: `${ph.pid}\n`,
    });
  }
  assert.deepEqual(pidfilesOf(project), ['ph.pid', 'ph.pid.2', 'ph.pid.3']);
});

test('several instances are stopped one by one through their pidfiles, and a number that was freed is used again', async t => {
  const { project, start } = setUp(t);
  const [first, second, third] = [await start(), await start(), await start()];
  process.kill(Number(readFileSync(project.path('ph.pid.2'), 'utf8')), 'SIGTERM');
  assert.equal((await second.exit).code, 0);
  assert.deepEqual(pidfilesOf(project), ['ph.pid', 'ph.pid.3']);
  assert.ok(!first.hasExited && !third.hasExited);

  const again = await start();
  assert.equal((await identityOf(again, project)).instance, 2);

  for (const [name, ph] of [
    ['ph.pid', first],
    ['ph.pid.3', third],
    ['ph.pid.2', again],
  ] as const) {
    process.kill(Number(readFileSync(project.path(name), 'utf8')), 'SIGTERM');
    assert.equal((await ph.exit).code, 0);
    assert.ok(!existsSync(project.path(name)));
  }
  assert.deepEqual(pidfilesOf(project), []);
});

test('an instance that was killed frees its number', async t => {
  const { project, start } = setUp(t);
  await start();
  const second = await start();
  second.signal('SIGKILL');
  await second.exit;
  assert.equal((await identityOf(await start(), project)).instance, 2);
});

test('several that start at the same moment all get a number of their own', async t => {
  const { project, start } = setUp(t);
  const all = await Promise.all([start(), start(), start(), start(), start()]);
  const numbers = await Promise.all(all.map(async ph => (await identityOf(ph, project)).instance as number));
  assert.deepEqual(numbers.sort(), [1, 2, 3, 4, 5]);
});

test('one that wants to be the only one is refused beside one of several, and named the pid', async t => {
  const { project, start } = setUp(t);
  const first = await start();
  const only = ['run', '--set', 'single_instance=true'];
  const { code, stderr } = await runPh(t, only, { cwd: project.directory });
  assert.equal(code, 4);
  assert.match(stderr, new RegExp(`already running: pid ${first.pid} holds `));
  assert.deepEqual(pidfilesOf(project), ['ph.pid']);
});

test('one of several takes the next number beside one that wants to be the only one', async t => {
  const { project, start } = setUp(t);
  const only = await start('--set', 'single_instance=true');
  const beside = await start();
  assert.equal((await identityOf(beside, project)).instance, 2);
  assert.equal((await only.stop()).code, 0);
  assert.deepEqual(pidfilesOf(project), ['ph.pid.2']);
});

test('an instance keeps its number at a reload, also with a new pidfile', async t => {
  const { project, start } = setUp(t);
  const [, second] = [await start(), await start()];
  project.write('ph.ini', ini(false, 'new.pid'));
  const from = second.records.length;
  second.signal('SIGHUP');
  assert.equal((await second.log(/^instance \d+$/, from)).msg, 'instance 2');
  await until('the new pidfile is there and the old one is gone', () => {
    const files = pidfilesOf(project);
    return files.includes('new.pid.2') && !files.includes('ph.pid.2');
  });
  assert.equal((await second.stop()).code, 0);
  assert.deepEqual(pidfilesOf(project), ['ph.pid'], 'that of the other one');
});
