import assert from 'node:assert/strict';
import { rmSync, symlinkSync } from 'node:fs';
import { test } from 'node:test';
import { phEntry, runPh, startPh } from '../helpers/ph.ts';
import { childrenOf, isAlive, openFilesOf, processesIn, until } from '../helpers/processes.ts';
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

interface Failure {
  readonly what: string;
  readonly spoil: (project: Project, node: string) => void;
  readonly reason: RegExp;
  /** What is not in the reason, and yet printed. */
  readonly printed?: RegExp;
}

const sections = {
  app: { ...app, boot_timeout: '1s' },
  second: { ...app, task: 'second.mjs', boot_timeout: '1s' },
};
const entry = `import '${phEntry}';\n`;
const setup = (body: string) => holdable.replace("console.log('boots');", body);

const failures: readonly Failure[] = [
  {
    what: 'a broken configuration',
    spoil: project => project.write('ph.ini', 'nonsense'),
    reason: /was: \/.*ph\.ini:1: ParsingError/,
  },
  {
    what: 'a task module that throws, of one of two sections',
    spoil: project => project.write('second.mjs', `throw new TypeError('a broken module');`),
    reason:
      /some workers could not boot: second\n\[second\] TypeError: a broken module\n +at .*second\.mjs:1/,
  },
  {
    what: 'a worker that fails in setup',
    spoil: project => project.write('app.mjs', setup(`throw new Error('no database');`)),
    reason: /some workers could not boot: app\n\[app\] Error: no database/,
  },
  {
    what: 'a worker that hangs in setup',
    spoil: project =>
      project.write('app.mjs', setup('await new Promise(() => setInterval(() => {}, 1000));')),
    reason: /some workers could not boot: app\n\[app\] killed: not ready within 1 s/,
  },
  {
    what: 'a pidfile that another supervisor holds',
    spoil: project =>
      project.write('ph.ini', iniText({ ...sections, app: { ...sections.app, pidfile: 'taken.pid' } })),
    reason: /already running: pid \d+ holds .*taken\.pid/,
  },
  {
    what: 'a new version that does not load',
    spoil: project => project.write('ph.mjs', 'this is no JavaScript'),
    reason: /it exited with code 1 before it was ready; see stderr/,
    printed: /SyntaxError/,
  },
  {
    what: 'a new version that ends at once, and with success',
    spoil: project => project.write('ph.mjs', ''),
    reason: /it exited with code 0 before it was ready/,
  },
  {
    what: 'a new version that crashes',
    spoil: project => project.write('ph.mjs', `process.kill(process.pid, 'SIGSEGV');`),
    reason: /it was killed by SIGSEGV before it was ready/,
  },
  {
    what: 'a Node that is not there',
    spoil: (_, node) => rmSync(node),
    reason: /it cannot be started: spawn .*node ENOENT/,
  },
  {
    what: 'a file of somebody else in the place of .oldbin',
    spoil: project => project.write('ph.pid.oldbin', 'my diary\n'.repeat(20)),
    reason: /ph\.pid\.oldbin: holds 180 bytes of something else/,
  },
];

const intact = { 'ph.ini': iniText(sections), 'app.mjs': holdable, 'second.mjs': holdable, 'ph.mjs': entry };

test('S21 whatever is broken in an upgrade, the old supervisor serves on with its workers and its pidfile, and says why', async t => {
  const project = createProject(t, intact);
  const node = project.path('node');
  symlinkSync(process.execPath, node);
  const launcher = ['bash', '-c', 'exec ./node ph.mjs run', 'bash'];
  const ph = startPh(t, [], { cwd: project.directory, launcher });
  await ph.ready();
  const { workers } = ph;
  const other = startPh(t, ['run', 'app.mjs', '-t', '0', '--set', 'pidfile=taken.pid'], {
    cwd: project.directory,
  });
  await other.ready();

  let files = 0;
  for (const { what, spoil, reason, printed } of failures) {
    spoil(project, node);
    const mark = ph.records.length;
    ph.signal('SIGUSR2');
    const { msg, level } = await ph.log('upgrade failed, everything stays as it was: ', mark);
    assert.match(msg, reason, what);
    assert.equal(level, 50);
    if (printed) assert.match(ph.stderr, printed);
    assert.deepEqual(ph.workers, workers, what);
    assert.equal(pidIn(project), ph.pid, what);
    if (what.includes('.oldbin')) rmSync(project.path('ph.pid.oldbin'));
    assert.deepEqual(pidfilesOf(project), ['ph.pid', 'taken.pid'], what);

    for (const [name, content] of Object.entries(intact)) project.write(name, content);
    rmSync(node, { force: true });
    symlinkSync(process.execPath, node);
    files ||= openFilesOf(ph.pid);
    assert.equal(openFilesOf(ph.pid), files, `${what}: nothing is left open`);
  }
  const { stderr } = await runPh(t, ['run'], { cwd: project.directory });
  assert.match(stderr, new RegExp(`already running: pid ${ph.pid} holds `));

  const { pid } = await upgrade({ ph, project });
  assert.equal(pidIn(project), pid);
});

test('S52 KILL of the new supervisor before it is ready: the old one goes on, and its pidfile is right', async t => {
  const deployment = await deploy(t);
  const { ph, project } = deployment;
  const { workers } = ph;
  const { pid, mark, release } = await startHeldUpgrade(deployment);
  const newWorkers = childrenOf(pid);
  process.kill(pid, 'SIGKILL');
  await ph.log('it was killed by SIGKILL before it was ready', mark);
  assert.deepEqual(ph.workers, workers);
  assert.deepEqual(pidfilesOf(project), ['ph.pid']);
  assert.equal(pidIn(project), ph.pid);
  await until('the workers of the new one are gone', () => !newWorkers.some(isAlive), 3000);
  release();
  assert.equal((await ph.stop()).code, 0);
  assert.deepEqual(pidfilesOf(project), []);
});

test('S52 KILL of the old supervisor before the new one is ready: the new one goes on as the only one', async t => {
  const two = { ...app, pidfile: 'second.pid' };
  const deployment = await deploy(t, {}, { 'ph.ini': iniText({ app, second: two }) });
  const { ph, project } = deployment;
  project.write('ph.ini', iniText({ app }));
  const { pid, mark, release } = await startHeldUpgrade(deployment);
  const oldWorkers = ph.workers.filter(worker => worker !== pid);
  ph.signal('SIGKILL');
  await ph.log('the supervisor that was to be replaced is gone; this one takes its place', mark);
  await until('what the old one has left is gone', () => pidfilesOf(project).length === 1);
  assert.equal(pidIn(project), pid);
  assert.deepEqual(pidfilesOf(project), ['ph.pid']);
  const { stderr, code } = await runPh(t, ['run'], { cwd: project.directory });
  assert.equal(code, 4);
  assert.match(stderr, new RegExp(`already running: pid ${pid} holds `));
  release();
  await ph.log('all workers ready', mark);
  await until('the old workers are gone', () => !oldWorkers.some(isAlive), 3000);
  const next = await upgrade(deployment);
  process.kill(next.pid, 'SIGTERM');
  await ph.exit;
  assert.deepEqual(pidfilesOf(project), []);
});

test('S52 KILL of the old supervisor while it drains leaves nothing of it beside the pidfile', async t => {
  const long = holdable.replace('this.sleep(50)', `new Promise(resolve => setTimeout(resolve, 60_000))`);
  const deployment = await deploy(t, {}, { 'app.mjs': long });
  const { ph, project } = deployment;
  const { pid, mark } = await requestUpgrade(deployment);
  await ph.log('is in charge', mark);
  ph.signal('SIGKILL');
  await until('.oldbin is gone', () => pidfilesOf(project).length === 1);
  assert.equal(pidIn(project), pid);
});

for (const [signals, how] of [
  [['SIGTERM'], 'TERM'],
  [['SIGINT'], 'INT'],
  [['SIGQUIT'], 'QUIT'],
  [['SIGTERM', 'SIGQUIT'], 'TERM and QUIT'],
] as const) {
  test(`S52 ${how} while an upgrade is pending ends both supervisors and all workers, with exit code 0`, async t => {
    const deployment = await deploy(t);
    const { ph, project } = deployment;
    const { pid, mark } = await startHeldUpgrade(deployment);
    for (const signal of signals) ph.signal(signal);
    assert.equal((await ph.exit).code, 0);
    await ph.log('upgrade given up: the supervisor is stopping', mark);
    assert.ok(!isAlive(pid));
    await until('no process is left', () => processesIn(project.directory).length === 0, 3000);
    assert.deepEqual(pidfilesOf(project), []);
    assert.ok(!ph.records.some(({ level }) => level >= 50));
  });
}

test('S52 TERM right after USR2, when the new supervisor is not yet able to handle it, ends everything', async t => {
  const { ph, project } = await deploy(t);
  ph.signal('SIGUSR2');
  await ph.log('is to take over');
  assert.equal((await ph.stop()).code, 0);
  await until('no process is left', () => processesIn(project.directory).length === 0, 3000);
  assert.deepEqual(pidfilesOf(project), []);
});

test('S52 a reload that came while an upgrade was pending is carried out by the old one where the upgrade fails', async t => {
  const deployment = await deploy(t);
  const { ph, project } = deployment;
  const { pid, mark, release } = await startHeldUpgrade(deployment);
  ph.signal('SIGHUP');
  await ph.log('an upgrade is pending', mark);
  process.kill(pid, 'SIGKILL');
  await ph.log('upgrade failed', mark);
  release();
  await ph.log(({ msg, pid }) => pid === ph.pid && msg.startsWith('reloaded'), mark);
  assert.equal(pidIn(project), ph.pid);
});

test('S52 USR2 while a reload is under way is refused, and accepted once it has ended', async t => {
  const deployment = await deploy(t);
  const { ph, project } = deployment;
  project.write('hold', '');
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  await ph.log('boots', mark);
  ph.signal('SIGUSR2');
  await ph.log('upgrade refused: a reload is under way', mark);
  rmSync(project.path('hold'));
  await ph.log('reloaded', mark);
  const { pid } = await upgrade(deployment);
  assert.equal(pidIn(project), pid);
});

test('USR2 before the workers have started is refused', async t => {
  const project = createProject(t, { 'app.mjs': holdable, 'ph.ini': iniText({ app }), hold: '' });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.log('boots');
  ph.signal('SIGUSR2');
  await ph.log('upgrade refused: not all workers have started yet');
  rmSync(project.path('hold'));
  await ph.ready();
});

test('a supervisor that took over and is killed while the old one drains: the old one says so', async t => {
  const long = holdable.replace('this.sleep(50)', `new Promise(resolve => setTimeout(resolve, 60_000))`);
  const deployment = await deploy(t, {}, { 'app.mjs': long });
  const { pid, mark } = await requestUpgrade(deployment);
  await deployment.ph.log('is in charge', mark);
  process.kill(pid, 'SIGKILL');
  const { level } = await deployment.ph.log(`pid ${pid}, was killed by SIGKILL`, mark);
  assert.equal(level, 50);
});

test('PH_UPGRADE that no supervisor has set is a usage error', async t => {
  const project = createProject(t, { 'app.mjs': holdable, 'ph.ini': iniText({ app }) });
  const { code, stderr } = await runPh(t, ['run'], { cwd: project.directory, env: { PH_UPGRADE: '{}' } });
  assert.equal(code, 2);
  assert.equal(
    stderr,
    'ph: PH_UPGRADE is set, which only a supervisor may set for the one that replaces it; unset it\n',
  );
});
