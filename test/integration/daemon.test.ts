import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { startDaemon } from '../helpers/daemon.ts';
import { readRecords, untilLogged } from '../helpers/log-file.ts';
import { runPh, startPh } from '../helpers/ph.ts';
import { childrenOf, isAlive, sessionOf, until } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

const task = 'export const task = () => 1;';
const ini = '[app]\ntask = task.mjs\nthreads = 0\npidfile = ph.pid\nlog_file = app.log\n';

test('ph run -d returns when the workers are ready, with exit code 0 and a line with the pid', async t => {
  const project = createProject(t, {
    'ph.ini': `${ini}number_workers = 2\n`,
    'task.mjs': `import { writeFileSync } from 'node:fs';
      await new Promise(resolve => setTimeout(resolve, 300));
      writeFileSync(\`up-\${process.pid}\`, '');
      ${task}`,
  });
  const { code, stdout, stderr } = await runPh(t, ['run', '-d'], { cwd: project.directory });
  const pid = Number(readFileSync(project.path('ph.pid'), 'utf8'));
  cleanUp(t, () => process.kill(pid, 'SIGKILL'));

  assert.equal(code, 0);
  assert.equal(stdout, `ph: running in the background, pid ${pid}\n`);
  assert.equal(stderr, '');
  const up = childrenOf(pid).map(worker => existsSync(project.path(`up-${worker}`)));
  assert.deepEqual(up, [true, true]);
});

test('a daemon has a session of its own and keeps nothing of its caller open', async t => {
  const project = createProject(t, { 'ph.ini': ini, 'task.mjs': task });
  const launcher = ['bash', '-c', 'exec 7>callers.txt 8<ph.ini; exec "$@"', 'bash'];
  const pid = await startDaemon(t, project, { launcher });

  assert.equal(sessionOf(pid), pid);
  const log = project.path('app.log');
  assert.deepEqual(
    ['0', '1', '2'].map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`)),
    ['/dev/null', log, log],
  );
  const files = readdirSync(`/proc/${pid}/fd`).map(fd => linkIfThere(`/proc/${pid}/fd/${fd}`));
  assert.deepEqual(
    files.filter(file => file?.startsWith(project.directory) && file !== log),
    [],
  );
});

test('$(ph run -d) returns, and a stop ends the daemon, its workers and its pidfile', async t => {
  const project = createProject(t, { 'ph.ini': ini, 'task.mjs': task });
  // `ph` is what follows the script, so that the shell's substitution waits for all who hold its pipe.
  const launcher = ['bash', '-c', 'text=$("$@" 2>&1); echo "<$text>"', 'bash'];
  const pid = await startDaemon(t, project, { launcher });
  const workers = childrenOf(pid);
  process.kill(pid, 'SIGTERM');
  await until('it is gone', () => !isAlive(pid));
  assert.ok(workers.every(worker => !isAlive(worker)));
  assert.ok(!existsSync(project.path('ph.pid')));
  assert.equal(readRecords(project.path('app.log')).at(-1)?.msg, 'stopped');
});

test('daemonize = true in the file needs no -d, and --no-daemon overrules it', async t => {
  const project = createProject(t, { 'ph.ini': `${ini}daemonize = true\n`, 'task.mjs': task });
  const { code, stdout } = await runPh(t, ['run'], { cwd: project.directory });
  const pid = Number(/pid (\d+)$/m.exec(stdout)?.[1]);
  assert.equal(code, 0);
  assert.ok(isAlive(pid));
  process.kill(pid, 'SIGTERM');
  await until('it is gone', () => !isAlive(pid));

  const ph = startPh(t, ['run', '--no-daemon'], { cwd: project.directory });
  await until('it is ready', () => {
    const records = readRecords(project.path('app.log'));
    return records.some(record => record.pid === ph.pid && record.msg === 'all workers ready');
  });
  assert.equal(readFileSync(project.path('ph.pid'), 'utf8'), `${ph.pid}\n`);
  assert.equal((await ph.stop()).code, 0);
});

for (const how of ['daemonized', 'not daemonized'] as const) {
  test(`S25 fault of the original: a relative pidfile, like every relative path, counts from ph.ini: ${how}, after a reload too`, async t => {
    const project = createProject(t, {
      'etc/ph.ini': [
        '[app]',
        'task = ../tasks/task.mjs',
        'threads = 0',
        'base_path = ../work',
        'pidfile = run/ph.pid',
        'log_file = log/app.log',
        'env_file = app.env',
      ].join('\n'),
      'etc/app.env': 'FROM_FILE=yes\n',
      'tasks/task.mjs': `import { Worker } from 'processhandler';
        export default class extends Worker {
          setup() { this.logger.info(\`works in \${process.cwd()}, \${process.env.FROM_FILE}\`); }
        }`,
    });
    for (const directory of ['etc/run', 'etc/log', 'work', 'from/here']) {
      mkdirSync(project.path(directory), { recursive: true });
    }
    const cwd = project.path('from/here');
    const args = ['-c', '../../etc/ph.ini'];
    const pid =
      how === 'daemonized'
        ? await startDaemon(t, project, { args, cwd })
        : startPh(t, ['run', ...args], { cwd }).pid;

    const log = project.path('etc/log/app.log');
    const said = () =>
      readRecords(log).filter(({ msg }) => msg === `works in ${project.path('work')}, yes`).length;
    await untilLogged(log, /all workers ready/);
    const expectAllInPlace = () => {
      assert.equal(readFileSync(project.path('etc/run/ph.pid'), 'utf8'), `${pid}\n`);
      assert.deepEqual(readdirSync(project.path('etc')), ['app.env', 'log', 'ph.ini', 'run']);
      for (const directory of ['work', 'from/here'])
        assert.deepEqual(readdirSync(project.path(directory)), []);
    };
    expectAllInPlace();
    assert.equal(said(), 1);

    process.kill(pid, 'SIGHUP');
    await until('the new worker said so', () => said() === 2);
    expectAllInPlace();

    process.kill(pid, 'SIGTERM');
    await until('it is gone', () => !isAlive(pid));
    assert.deepEqual(readdirSync(project.path('etc/run')), []);
  });
}

test('S25 relative paths of the command line count from where it was given, daemonized as well', async t => {
  const project = createProject(t, { 'ph.ini': '[app]\n', 'here/task.mjs': task });
  const args = ['task.mjs', '-t', '0', '--set', 'pidfile=a.pid', '--set', 'log_file=a.log'];
  const pid = await startDaemon(t, project, { args, cwd: project.path('here') });
  assert.equal(readFileSync(project.path('here/a.pid'), 'utf8'), `${pid}\n`);
  assert.ok(existsSync(project.path('here/a.log')));
  const from = readRecords(project.path('here/a.log')).length;
  process.kill(pid, 'SIGHUP');
  await until('it has reloaded', () =>
    readRecords(project.path('here/a.log'))
      .slice(from)
      .some(({ generation }) => generation === 2),
  );
  assert.deepEqual(readdirSync(project.path('here')), ['a.log', 'a.pid', 'a.pid.sock', 'task.mjs']);
});

function linkIfThere(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
