import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Ph, runPh, startPh } from '../helpers/ph.ts';
import { isAlive, processesIn, until } from '../helpers/processes.ts';
import { createProject, type Project } from '../helpers/project.ts';

const ini = (keys = 'pidfile = ph.pid') => `[app]\ntask = task.mjs\nthreads = 0\n${keys}\n`;

function setUp(t: TestContext, files: Readonly<Record<string, string>> = {}) {
  const project = createProject(t, { 'ph.ini': ini(), 'task.mjs': 'export const task = () => 1;', ...files });
  const start = () => startPh(t, ['run'], { cwd: project.directory });
  return { project, start, runToEnd: () => runPh(t, ['run'], { cwd: project.directory }) };
}

async function startReady(start: () => Ph): Promise<Ph> {
  const ph = start();
  await ph.ready();
  return ph;
}

const pidIn = (project: Project, name = 'ph.pid') => readFileSync(project.path(name), 'utf8');

test('the pidfile holds the pid alone on one line while the supervisor runs, and is gone after a stop', async t => {
  const { project, start } = setUp(t);
  const ph = await startReady(start);
  assert.equal(pidIn(project), `${ph.pid}\n`);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(!existsSync(project.path('ph.pid')));
});

test('S27 fault of the original: a second start is not swallowed; it exits 4, names the pid, and touches nothing of the first', async t => {
  const { project, start, runToEnd } = setUp(t, { 'ph.ini': ini('pidfile = ph.pid\nlog_file = app.log') });
  const ph = start();
  await until('it is ready', () => readIfThere(project, 'app.log').includes('all workers ready'));
  const before = ['ph.pid', 'app.log'].map(name => fingerprint(project, name));
  const workers = ph.workers;

  const second = await runToEnd();
  assert.equal(second.code, 4);
  assert.equal(second.stderr, `ph: already running: pid ${ph.pid} holds ${project.path('ph.pid')}\n`);

  assert.deepEqual(
    ['ph.pid', 'app.log'].map(name => fingerprint(project, name)),
    before,
  );
  assert.deepEqual(ph.workers, workers);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(!existsSync(project.path('ph.pid')));
});

test('S26 a supervisor that was killed, and whose pid a stranger has by now, does not keep the next one from starting', async t => {
  const { project, start } = setUp(t);
  const first = await startReady(start);
  first.signal('SIGKILL');
  await first.exit;
  assert.equal(pidIn(project), `${first.pid}\n`, 'nobody could remove it');

  const second = await startReady(start);
  assert.equal(pidIn(project), `${second.pid}\n`);
  second.signal('SIGKILL');
  await second.exit;

  project.write('ph.pid', `${process.pid}\n`);
  const third = await startReady(start);
  assert.equal(pidIn(project), `${third.pid}\n`);
  await third.stop();
});

test('S26 a file of somebody else is refused before anything is started, and not touched', async t => {
  const poem = 'what someone has written by hand\n'.repeat(9);
  const { project, runToEnd } = setUp(t, { 'ph.pid': poem });
  const { code, stderr } = await runToEnd();
  assert.equal(code, 1);
  assert.equal(
    stderr,
    `ph: pidfile ${project.path('ph.pid')}: holds ${poem.length} bytes of something else; remove it, or name another file\n`,
  );
  assert.equal(pidIn(project), poem);
});

test('S28 a pidfile that somebody removed is restored, and the log says so', async t => {
  const { project, start } = setUp(t);
  const ph = await startReady(start);
  rmSync(project.path('ph.pid'));
  await ph.log(`${project.path('ph.pid')} was removed; written again`);
  assert.equal(pidIn(project), `${ph.pid}\n`);
  await ph.stop();
  assert.ok(!existsSync(project.path('ph.pid')));
});

test('S53 fifty starts at the same moment: exactly one wins, the others exit 4 and name it', async t => {
  const { project, start } = setUp(t);
  const all = Array.from({ length: 50 }, start);
  let exited = 0;
  for (const ph of all) void ph.exit.then(() => exited++);
  await until('all but one have exited', () => exited >= 49, 60_000);

  const winners = all.filter(ph => !ph.hasExited);
  assert.equal(winners.length, 1);
  const winner = winners[0] as Ph;
  await winner.ready();
  assert.equal(pidIn(project), `${winner.pid}\n`);
  for (const ph of all.filter(each => each !== winner)) {
    const { code, stderr } = await ph.exit;
    assert.equal(code, 4, stderr);
    assert.match(stderr, new RegExp(`^ph: already running: pid ${winner.pid} holds `));
  }
  assert.equal((await winner.stop()).code, 0);
  assert.ok(!existsSync(project.path('ph.pid')));
  assert.deepEqual(processesIn(project.directory), []);
});

test('fault of the original: after a reload the pidfile is still there, and after the stop it is not left behind', async t => {
  const { project, start } = setUp(t);
  const ph = await startReady(start);
  const from = ph.records.length;
  ph.signal('SIGHUP');
  await ph.nextReady(from);
  assert.equal(pidIn(project), `${ph.pid}\n`);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(!existsSync(project.path('ph.pid')));
});

test('fault of the original: a changed pidfile at reload does not end the supervisor: the new one is claimed, the old one removed', async t => {
  const { project, start, runToEnd } = setUp(t);
  const ph = await startReady(start);
  project.write('ph.ini', ini('pidfile = other.pid'));
  ph.signal('SIGHUP');
  await until('the old one is gone', () => !existsSync(project.path('ph.pid')));
  assert.equal(pidIn(project, 'other.pid'), `${ph.pid}\n`);

  assert.equal((await runToEnd()).code, 4, 'the new one is locked');
  project.write('ph.ini', ini());
  const beside = await startReady(start);
  assert.equal(pidIn(project), `${beside.pid}\n`, 'the old one is free');
  await beside.stop();
  await ph.stop();
  assert.ok(!existsSync(project.path('other.pid')));
});

test('fault of the original: a new pidfile that another supervisor holds fails the reload, and everything stays', async t => {
  const { project, start } = setUp(t);
  const ph = await startReady(start);
  project.write('ph.ini', ini('pidfile = other.pid'));
  const other = await startReady(start);

  const { workers } = ph;
  ph.signal('SIGHUP');
  const { msg } = await ph.log('reload failed');
  assert.match(
    msg,
    new RegExp(`everything stays as it was: already running: pid ${other.pid} holds .*other\\.pid$`),
  );
  assert.equal(pidIn(project), `${ph.pid}\n`);
  assert.equal(pidIn(project, 'other.pid'), `${other.pid}\n`);
  assert.deepEqual(ph.workers, workers);

  await ph.stop();
  assert.equal(pidIn(project, 'other.pid'), `${other.pid}\n`, 'only its owner removes it');
  await other.stop();
});

test('fault of the original: a worker that fails in its constructor does not delete the pidfile of the supervisor', async t => {
  const { project, start } = setUp(t, {
    'task.mjs': `import { existsSync } from 'node:fs';
      import { Worker } from 'processhandler';
      export default class extends Worker {
        constructor(context) {
          super(context);
          if (existsSync('broken')) throw new Error('no luck in the constructor');
        }
      }`,
  });
  const ph = await startReady(start);
  const before = fingerprint(project, 'ph.pid');
  project.write('broken', '');
  const [worker] = ph.workers as [number];
  process.kill(worker, 'SIGKILL');
  await ph.log('could not boot: Error: no luck in the constructor');
  assert.deepEqual(fingerprint(project, 'ph.pid'), before);
  assert.ok(isAlive(ph.pid));

  const from = ph.records.length;
  rmSync(project.path('broken'));
  await ph.nextReady(from);
  assert.equal(pidIn(project), `${ph.pid}\n`);
  await ph.stop();
});

test('several sections may name several pidfiles: the supervisor holds each, and removes each', async t => {
  const { project, start, runToEnd } = setUp(t, {
    'ph.ini': `[DEFAULT]\ntask = task.mjs\nthreads = 0\n[a]\npidfile = a.pid\n[b]\npidfile = b.pid\n`,
  });
  const ph = await startReady(start);
  for (const name of ['a.pid', 'b.pid']) assert.equal(pidIn(project, name), `${ph.pid}\n`);

  project.write('ph.ini', '[c]\ntask = task.mjs\nthreads = 0\npidfile = b.pid\n');
  assert.equal((await runToEnd()).code, 4);
  await ph.stop();
  for (const name of ['a.pid', 'b.pid']) assert.ok(!existsSync(project.path(name)));
});

function readIfThere(project: Project, name: string): string {
  return existsSync(project.path(name)) ? readFileSync(project.path(name), 'utf8') : '';
}

/** Changes with whatever is done to a file. */
function fingerprint(project: Project, name: string) {
  const { ino, mtimeMs, size } = statSync(project.path(name));
  return { ino, mtimeMs, size };
}
