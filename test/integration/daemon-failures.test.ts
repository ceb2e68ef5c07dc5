import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { startDaemon } from '../helpers/daemon.ts';
import { runPh, startPh } from '../helpers/ph.ts';
import { childrenOf, isAlive, processesIn, until } from '../helpers/processes.ts';
import { createProject, type Project } from '../helpers/project.ts';

const task = 'export const task = () => 1;';
const hanging = 'setInterval(() => {}, 1000);\nawait new Promise(() => {});';
const ini = '[app]\ntask = task.mjs\nthreads = 0\npidfile = ph.pid\nlog_file = app.log\n';

/** A project whose processes are ended with the test, whoever their parent is by then. */
function setUp(t: TestContext, files: Readonly<Record<string, string>>) {
  const project = createProject(t, { 'ph.ini': ini, 'task.mjs': task, ...files });
  cleanUp(t, () => {
    for (const pid of processesIn(project.directory)) process.kill(pid, 'SIGKILL');
  });
  const run = (...args: string[]) => runPh(t, ['run', '-d', ...args], { cwd: project.directory });
  return { project, run };
}

async function expectNobody({ directory, path }: Project): Promise<void> {
  await until('no process is left', () => processesIn(directory).length === 0);
  assert.ok(!existsSync(path('ph.pid')), 'no pidfile is left');
}

test('S29 without log_file ph run -d is a configuration error: there would be nobody to tell', async t => {
  const { project, run } = setUp(t, { 'ph.ini': ini.replace('log_file', '; log_file') });
  const { code, stdout, stderr } = await run();
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^ph: command line: daemonize: ph run -d needs log_file: .*\n$/);
  await expectNobody(project);
});

test('S29 a configuration error is on stderr of the caller, exit code 2, and no log file is made', async t => {
  const { project, run } = setUp(t, { 'ph.ini': `${ini}number_workers = many\n` });
  const { code, stderr } = await run();
  assert.equal(code, 2);
  assert.match(stderr, /^ph: .*ph\.ini:6: \[app\] number_workers: expected an integer.*\n$/);
  assert.ok(!existsSync(project.path('app.log')));
  await expectNobody(project);
});

test('S29 fault of the original: "already running" reaches the caller, exit code 4, and the first one is left in peace', async t => {
  const { project, run } = setUp(t, {});
  const pid = await startDaemon(t, project);
  const workers = childrenOf(pid);
  const { code, stdout, stderr } = await run();
  assert.equal(code, 4);
  assert.equal(stdout, '');
  assert.equal(stderr, `ph: already running: pid ${pid} holds ${project.path('ph.pid')}\n`);
  assert.ok(isAlive(pid));
  assert.deepEqual(childrenOf(pid), workers);
  assert.equal(readFileSync(project.path('ph.pid'), 'utf8'), `${pid}\n`);
});

test("S29 workers that cannot boot: the user's own error on stderr of the caller, exit code 5, nothing left", async t => {
  const { project, run } = setUp(t, { 'task.mjs': `${task}\nthrow new RangeError('no luck');` });
  const { code, stdout, stderr } = await run();
  assert.equal(code, 5);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^ph: no worker could boot: app\n\[app\] RangeError: no luck\n {4}at .*task\.mjs:2:7\n$/,
  );
  await expectNobody(project);
});

test('S29 one section that cannot boot is a warning for the caller, where another one can', async t => {
  const { project, run } = setUp(t, {
    'ph.ini': `[DEFAULT]\nthreads = 0\nlog_file = app.log\n[good]\ntask = task.mjs\n[bad]\ntask = bad.mjs\n`,
    'bad.mjs': "throw new Error('no luck');",
  });
  const { code, stdout, stderr } = await run();
  assert.equal(code, 0);
  assert.match(stdout, /^ph: running in the background, pid \d+\n$/);
  assert.equal(stderr, 'ph: [bad] could not boot: Error: no luck\n');
  process.kill(Number(/\d+/.exec(stdout)?.[0]), 'SIGTERM');
  await expectNobody(project);
});

test('S29 a log file that cannot be opened, by the caller or by the daemon', async t => {
  const { project, run } = setUp(t, {
    'ph.ini': `[a]\ntask = task.mjs\nlog_file = app.log\n[b]\ntask = task.mjs\nlog_file = socket\n`,
  });
  // It may be written to, and yet not be opened.
  const server = createServer().listen(project.path('socket'));
  await once(server, 'listening');
  cleanUp(t, () => server.close());
  for (const section of [['-s', 'b'], []]) {
    const { code, stdout, stderr } = await run(...section);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.equal(stderr, `ph: cannot open log file ${project.path('socket')}: no such device or address\n`);
    await expectNobody(project);
  }
});

test('S29 a log file in a directory that is not there is a configuration error', async t => {
  const { project, run } = setUp(t, {});
  const { code, stderr } = await run('--set', 'log_file=missing/app.log');
  assert.equal(code, 2);
  assert.match(stderr, /^ph: command line: log_file: the directory .*\/missing does not exist\n$/);
  assert.deepEqual(readdirSync(project.directory).sort(), ['node_modules', 'ph.ini', 'task.mjs']);
  await expectNobody(project);
});

test('S29 a daemon that is killed before it is ready: the caller says so, and where to look', async t => {
  const { project } = setUp(t, { 'task.mjs': hanging });
  const caller = startPh(t, ['run', '-d'], { cwd: project.directory });
  await until('the daemon is there', () => childrenOf(caller.pid).length === 1);
  process.kill(childrenOf(caller.pid)[0] as number, 'SIGKILL');
  const { code, stderr } = await caller.exit;
  assert.equal(code, 1);
  assert.equal(
    stderr,
    `ph: the daemon ended before it was ready (SIGKILL); see ${project.path('app.log')}\n`,
  );
});

for (const when of ['while the workers boot', 'at the very start'] as const) {
  test(`a daemon whose caller is killed ${when} goes away: nobody would learn of it`, async t => {
    const { project } = setUp(t, { 'task.mjs': hanging });
    const caller = startPh(t, ['run', '-d'], { cwd: project.directory });
    await until('the daemon is there', () => childrenOf(caller.pid).length === 1);
    const [daemon] = childrenOf(caller.pid) as [number];
    if (when === 'while the workers boot') await until('one boots', () => childrenOf(daemon).length === 1);
    caller.signal('SIGKILL');
    await caller.exit;
    await expectNobody(project);
  });
}
