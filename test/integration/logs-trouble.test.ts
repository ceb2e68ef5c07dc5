import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type LogRecord, startPh } from '../helpers/ph.ts';
import { cpuTimeOf, isAlive, openFilesOf, processesIn, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

const app = { task: 'app.mjs', threads: 0 };
const retries = { restart_delay: '20ms', restart_delay_max: '200ms' };

/** Counts its rounds in the file `rounds`: a sign of life that needs no log. */
const counting = workerModule(
  `n = 0;
  handleRequest() {
    console.log('round ' + ++this.n);
    writeFileSync('rounds', String(this.n));
    return this.sleep(10);
  }`,
  `import { writeFileSync } from 'node:fs';`,
);

/** A user that nobody is: the limit counts all processes of a user, and root has none. */
const asStranger = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups'];
/** It takes root, and a Node that is not in root's home. */
const canBeStranger =
  spawnSync('setpriv', [...asStranger.slice(1), 'sh', '-c', 'test -x "$0"', process.execPath]).status === 0;

function rounds(project: Project): number {
  return existsSync(project.path('rounds')) ? Number(readFileSync(project.path('rounds'), 'utf8')) : 0;
}

async function goesOn(project: Project): Promise<void> {
  const before = rounds(project);
  await until('the worker has done ten more rounds', () => rounds(project) >= before + 10);
}

/** Changes the soft limit of a running process; to raise the hard one is not for everybody. */
function setLimit(pid: number, resource: 'nofile' | 'nproc', limit: number): void {
  const run = ['prlimit', '--pid', String(pid), `--${resource}=${limit}:`];
  const [command, ...args] = resource === 'nproc' ? [...asStranger, ...run] : run;
  execFileSync(command as string, args);
}

test('S54 a full disk under the log file: it is said once on stderr, the service goes on and ends well', async t => {
  const project = createProject(t, {
    'app.mjs': counting,
    'ph.ini': iniText({ app: { ...app, log_file: '/dev/full' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const { msg, level } = await ph.log('cannot write');
  assert.deepEqual(
    [msg, level],
    ['log /dev/full: cannot write: no space left on device; trying again every second', 50],
  );
  await goesOn(project);
  // The next attempt to write fails as well.
  await delay(1100);
  await goesOn(project);
  assert.equal(ph.records.length, 1, ph.stderr);
  assert.equal((await ph.stop()).code, 0);
  await ph.log(/^log \/dev\/full: \d+ log lines were lost: no space left on device$/);
  assert.equal(ph.records.length, 2, ph.stderr);
});

test('S54 descriptors used up: the supervisor says so, goes on with the workers it has, and recovers', async t => {
  const project = createProject(t, {
    'app.mjs': counting,
    'ph.ini': iniText({ app: { ...app, ...retries, pidfile: 'ph.pid' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const workers = await ph.ready();
  setLimit(ph.pid, 'nofile', openFilesOf(ph.pid) + 2);
  ph.signal('SIGTTIN');
  const { exit, level } = await ph.log(/could not be started: .*EMFILE/);
  assert.deepEqual([exit, level], ['boot-failure', 50]);
  await ph.log(({ repeats }) => repeats === 2);
  await goesOn(project);
  assert.deepEqual(ph.workers, [...workers.values()]);

  const mark = ph.records.length;
  setLimit(ph.pid, 'nofile', 1024);
  assert.equal((await ph.nextReady(mark)).index, 2);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(!existsSync(project.path('ph.pid')));
});

test('S54 processes used up: the supervisor says so, tries again, and recovers', {
  skip: !canBeStranger,
}, async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'ph.ini': iniText({ app: { ...app, ...retries } }),
  });
  chmodSync(project.directory, 0o755);
  const ph = startPh(t, ['run'], { cwd: project.directory, launcher: asStranger });
  const workers = await ph.ready();
  setLimit(ph.pid, 'nproc', 1);
  process.kill(workers.get(1) as number, 'SIGKILL');
  await ph.log(/could not be started: .*EAGAIN/);
  await ph.log(({ repeats }) => repeats === 2);
  assert.deepEqual(ph.workers, []);

  const mark = ph.records.length;
  setLimit(ph.pid, 'nproc', 1000);
  await ph.nextReady(mark);
  assert.equal((await ph.stop()).code, 0);
});

test('a stderr whose reader goes away (`ph run 2>&1 | head -1`) neither ends nor spins the supervisor', async t => {
  const project = createProject(t, { 'app.mjs': counting });
  const ph = startPh(t, ['run', 'app.mjs', '-t', '0'], {
    cwd: project.directory,
    launcher: ['bash', '-c', 'exec "$@" 2> >(exec head -1)', 'bash'],
  });
  await goesOn(project);
  await goesOn(project);
  const cpu = cpuTimeOf(ph.pid);
  await delay(1000);
  const used = cpuTimeOf(ph.pid) - cpu;
  assert.ok(used < 400, `used ${used} ms of CPU in a second`);
  const { code, stdout, stderr } = await ph.stop();
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal((JSON.parse(stdout) as LogRecord).msg, 'supervising app', 'head got its line');
  assert.deepEqual(processesIn(project.directory), []);
});

test('a stderr that is closed from the start does no harm', async t => {
  const project = createProject(t, { 'app.mjs': counting });
  const ph = startPh(t, ['run', 'app.mjs', '-t', '0'], {
    cwd: project.directory,
    launcher: ['bash', '-c', 'exec "$@" 2>&-', 'bash'],
  });
  await goesOn(project);
  assert.ok(isAlive(ph.pid));
  assert.equal((await ph.stop()).code, 0);
});
