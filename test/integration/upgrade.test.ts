import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readlinkSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { startDaemon } from '../helpers/daemon.ts';
import { readRecords, untilLogged } from '../helpers/log-file.ts';
import { type LogRecord, phEntry, runPh, startPh } from '../helpers/ph.ts';
import { childrenOf, isAlive, processesIn, sessionOf, titleOf, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, pidfilesOf } from '../helpers/project.ts';
import {
  app,
  deploy,
  holdable,
  pidIn,
  requestUpgrade,
  startHeldUpgrade,
  upgrade,
} from '../helpers/upgrade.ts';

/** What the log says of the environment of a worker that a supervisor has started. */
async function environmentFrom(records: readonly LogRecord[]): Promise<NodeJS.ProcessEnv> {
  const { msg = '' } = records.find(({ msg }) => msg.startsWith('env ')) ?? {};
  return JSON.parse(msg.slice('env '.length));
}

test('the pidfile names the one in charge at each step of an upgrade, and its lock is held throughout', async t => {
  const deployment = await deploy(t, { number_workers: 2 });
  const { ph, project } = deployment;
  const oldWorkers = ph.workers;
  const second = async () => (await runPh(t, ['run'], { cwd: project.directory })).stderr;
  const refusal = (pid: number) => `ph: already running: pid ${pid} holds ${project.path('ph.pid')}\n`;

  const { pid, mark, release } = await startHeldUpgrade(deployment);
  assert.deepEqual(pidfilesOf(project), ['ph.pid', 'ph.pid.oldbin']);
  assert.deepEqual([pidIn(project), pidIn(project, 'ph.pid.oldbin')], [ph.pid, ph.pid]);
  assert.equal(await second(), refusal(ph.pid));
  assert.deepEqual(
    ph.workers.filter(worker => worker !== pid),
    oldWorkers,
    'they serve on',
  );
  assert.equal(childrenOf(pid).length, 1, 'the new ones boot one after another');

  release();
  assert.deepEqual(await ph.ended, { code: 0, signal: null });
  assert.deepEqual(pidfilesOf(project), ['ph.pid']);
  assert.equal(pidIn(project), pid);
  assert.equal(await second(), refusal(pid));
  assert.ok(!oldWorkers.some(isAlive));
  assert.equal(childrenOf(pid).length, 2);
  assert.equal(titleOf(pid), 'ph: master [app]');
  const order = ph.records.slice(mark).filter(({ msg, exit }) => / is in charge$/.test(msg) || exit);
  assert.match(order[0]?.msg ?? '', /^upgraded/, 'no worker drains before the new ones are ready');

  process.kill(pid, 'SIGTERM');
  await ph.exit;
  assert.deepEqual(pidfilesOf(project), []);
  assert.ok(!ph.records.some(({ level }) => level >= 40));
});

test('while the old supervisor drains its pid is in .oldbin, and QUIT to it ends the drain', async t => {
  const long = holdable.replace('this.sleep(50)', `new Promise(resolve => setTimeout(resolve, 60_000))`);
  const { ph, project } = await deploy(t, { graceful_timeout: '60s' }, { 'app.mjs': long });
  const { pid, mark } = await requestUpgrade({ ph, project });
  await ph.log('is in charge', mark);
  assert.deepEqual([pidIn(project), pidIn(project, 'ph.pid.oldbin')], [pid, ph.pid]);
  rmSync(project.path('ph.pid'));
  await ph.log(record => record.pid === pid && /was removed; written again/.test(record.msg), mark);
  assert.equal(pidIn(project), pid);

  // A third one, while the first still drains.
  const next = await requestUpgrade({ ph, project });
  await ph.log('is in charge', next.mark);
  assert.deepEqual([pidIn(project), pidIn(project, 'ph.pid.oldbin')], [next.pid, pid]);

  ph.signal('SIGQUIT');
  assert.equal((await ph.ended).code, 0);
  assert.equal(pidIn(project, 'ph.pid.oldbin'), pid, 'of the one that still drains');
  process.kill(pid, 'SIGQUIT');
  await until('the second one is gone', () => !isAlive(pid));
  assert.deepEqual(pidfilesOf(project), ['ph.pid']);
  assert.ok(isAlive(next.pid));
});

test('S24 an upgrade starts from the original environment: nothing of the old file, of workers or of the upgrade is in it', async t => {
  const { ph, project } = await deploy(t, { environment: 'FROM_FILE=1' }, {}, { env: { ORIGINAL: 'yes' } });
  const before = await environmentFrom(ph.records);
  assert.deepEqual([before.ORIGINAL, before.FROM_FILE], ['yes', '1']);
  project.write('ph.ini', iniText({ app: { ...app, environment: 'NEXT=2' } }));
  for (const round of [1, 2]) {
    const { mark } = await upgrade({ ph, project });
    const after = await environmentFrom(ph.records.slice(mark));
    const { FROM_FILE: _, ...kept } = before;
    assert.deepEqual(after, { ...kept, NEXT: '2' }, `round ${round}`);
  }
});

test('S22 S25 an upgrade follows the links to ph, to Node and to the working directory anew, and so can be taken back', async t => {
  const version = (name: string) => `process.env.VERSION = '${name}';\nawait import('${phEntry}');\n`;
  const ini = iniText({ app: { ...app, pidfile: '../../ph.pid' } });
  const project = createProject(t, {
    'releases/1/ph.mjs': version('1'),
    'releases/2/ph.mjs': version('2'),
    'releases/1/ph.ini': ini,
    'releases/2/ph.ini': ini,
    'releases/1/app.mjs': holdable,
    'releases/2/app.mjs': holdable,
    'node-2': `#!/bin/sh\nNODE_VERSION=2 exec '${process.execPath}' "$@"\n`,
  });
  chmodSync(project.path('node-2'), 0o755);
  const link = (name: string, target: string) => {
    if (existsSync(project.path(name))) unlinkSync(project.path(name));
    symlinkSync(target, project.path(name));
  };
  link('current', 'releases/1');
  link('node', process.execPath);
  const launcher = ['bash', '-c', 'cd current && exec ../../node ph.mjs run', 'bash'];
  const ph = startPh(t, [], { cwd: project.directory, launcher });
  await ph.ready();
  const deployment = { ph, project };

  const seen = async (from: number) => {
    const { VERSION, NODE_VERSION } = await environmentFrom(ph.records.slice(from));
    const { directory } = await ph.log('supervising', from);
    return { VERSION, NODE_VERSION, directory };
  };
  assert.deepEqual(await seen(0), {
    VERSION: '1',
    NODE_VERSION: undefined,
    directory: project.path('releases/1'),
  });
  link('current', 'releases/2');
  link('node', 'node-2');
  assert.deepEqual(await seen((await upgrade(deployment)).mark), {
    VERSION: '2',
    NODE_VERSION: '2',
    directory: project.path('releases/2'),
  });
  link('current', 'releases/1');
  assert.equal((await seen((await upgrade(deployment)).mark)).VERSION, '1');
});

test('S22 a second USR2 while one is pending is refused, and does not disturb the first', async t => {
  const deployment = await deploy(t);
  const { ph, project } = deployment;
  const { pid, mark, release } = await startHeldUpgrade(deployment);
  ph.signal('SIGUSR2');
  await ph.log('upgrade refused: another one is pending', mark);
  release();
  assert.equal((await ph.ended).code, 0);
  assert.equal(pidIn(project), pid);
  assert.equal(ph.records.filter(({ successor, msg }) => successor && /^upgrading/.test(msg)).length, 1);
});

test('HUP to the old supervisor while an upgrade is pending is carried out by the new one', async t => {
  const deployment = await deploy(t);
  const { ph, project } = deployment;
  const { pid, mark, release } = await startHeldUpgrade(deployment);
  project.write('ph.ini', iniText({ app: { ...app, number_workers: 2 } }));
  ph.signal('SIGHUP');
  await ph.log('an upgrade is pending; whoever is in charge after it reloads', mark);
  release();
  await ph.log(record => record.pid === pid && /^reloaded/.test(record.msg), mark);
  await until('the new configuration is in force', () => childrenOf(pid).length === 2);
});

test('S52 scaling, WINCH and USR1 during an upgrade harm nobody; the new supervisor has the number of its configuration', async t => {
  const log = { log_file: 'app.log', daemonize: 'true' };
  const project = createProject(t, { 'app.mjs': holdable, 'ph.ini': iniText({ app: { ...app, ...log } }) });
  const old = await startDaemon(t, project);
  cleanUp(t, () => endAll(project));
  project.write('hold', '');
  process.kill(old, 'SIGUSR2');
  await until('the new worker boots', () => childrenOf(old).some(pid => childrenOf(pid).length === 1));
  const [pid] = childrenOf(old).filter(child => childrenOf(child).length === 1) as [number];
  for (const signal of ['SIGTTIN', 'SIGTTIN', 'SIGWINCH', 'SIGTTOU'] as const) process.kill(old, signal);
  project.write('rotated', '');
  rmSync(project.path('app.log'));
  process.kill(old, 'SIGUSR1');
  await until('both write into the new file', () => reopenedBy(project).size === 2);
  rmSync(project.path('hold'));
  await until('the old one is gone', () => !isAlive(old));
  assert.equal(pidIn(project), pid);
  assert.equal(childrenOf(pid).length, 1);
});

test('a daemon is upgraded: the new one is a daemon as well, with a session of its own and the log file for what Node prints', async t => {
  const keys = { ...app, log_file: 'app.log', daemonize: 'true' };
  const project = createProject(t, { 'app.mjs': holdable, 'ph.ini': iniText({ app: keys }) });
  const old = await startDaemon(t, project);
  cleanUp(t, () => endAll(project));
  process.kill(old, 'SIGUSR2');
  await until('the old one is gone', () => !isAlive(old));
  const pid = pidIn(project) as number;
  assert.notEqual(pid, old);
  assert.equal(sessionOf(pid), pid);
  const log = project.path('app.log');
  assert.deepEqual(
    [0, 1, 2].map(fd => linkOf(pid, fd)),
    ['/dev/null', log, log],
  );
  assert.ok(!readRecords(log).some(({ level }) => level >= 40), 'every line is whole');

  // Means something to a daemon only.
  process.kill(pid, 'SIGWINCH');
  await untilLogged(log, /draining all workers/);
  await until('its worker has drained', () => childrenOf(pid).length === 0);
  process.kill(pid, 'SIGTERM');
  await until('it is gone', () => !isAlive(pid));
  assert.deepEqual(pidfilesOf(project), []);
});

test('one of several instances keeps its number and its pidfile', async t => {
  const keys = { single_instance: 'false' };
  const { ph: first, project } = await deploy(t, keys);
  const second = startPh(t, ['run'], { cwd: project.directory });
  await second.ready();
  const mark = second.records.length;
  second.signal('SIGUSR2');
  const { successor } = await second.log('is in charge', mark);
  assert.equal((await second.ended).code, 0);
  assert.deepEqual(pidfilesOf(project), ['ph.pid', 'ph.pid.2']);
  assert.deepEqual([pidIn(project), pidIn(project, 'ph.pid.2')], [first.pid, successor]);
  assert.equal((await second.log('supervising', mark)).instance, 2);
  assert.equal((await environmentFrom(second.records.slice(mark))).PH_INSTANCE, '2');
});

test('S23 an upgrade may change pidfiles, addresses and sections; what is new is taken, what is gone is given up', async t => {
  const sockets = ({ directory }: Project) => readdirSync(directory).filter(name => name.endsWith('.sock'));
  const { ph, project } = await deploy(
    t,
    { bind: 'unix:kept.sock, unix:old.sock' },
    { 'other.mjs': holdable },
  );
  const keys = { task: 'other.mjs', pidfile: 'other.pid', bind: 'unix:kept.sock, unix:new.sock' };
  project.write('ph.ini', iniText({ other: { ...app, ...keys } }));
  const mark = ph.records.length;
  ph.signal('SIGUSR2');
  const { successor } = await ph.log('is in charge', mark);
  await ph.ended;
  assert.deepEqual(pidfilesOf(project), ['other.pid']);
  assert.equal(pidIn(project, 'other.pid'), successor);
  assert.deepEqual(sockets(project), ['kept.sock', 'new.sock', 'other.pid.sock']);

  const beside = startPh(t, ['run', 'app.mjs', '-t', '0', '--set', 'pidfile=ph.pid'], {
    cwd: project.directory,
  });
  await beside.ready();
});

test('S13 the lock of a supervisor that took over and was killed is free at once', async t => {
  const deployment = await deploy(t);
  const { pid } = await upgrade(deployment);
  process.kill(pid, 'SIGKILL');
  await deployment.ph.exit;
  const next = startPh(t, ['run'], { cwd: deployment.project.directory });
  await next.ready();
  assert.equal(pidIn(deployment.project), next.pid);
});

/** Pids that have written to the log file since it was made anew. */
function reopenedBy(project: Project): Set<unknown> {
  if (!existsSync(project.path('app.log'))) return new Set();
  const reopened = readRecords(project.path('app.log')).filter(({ msg }) => msg === 'log files reopened');
  return new Set(reopened.map(({ pid }) => pid));
}

function endAll({ directory }: Project): void {
  for (const pid of processesIn(directory)) process.kill(pid, 'SIGKILL');
}

function linkOf(pid: number, fd: number): string {
  return readlinkSync(`/proc/${pid}/fd/${fd}`);
}
