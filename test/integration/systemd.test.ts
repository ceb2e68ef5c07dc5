import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../helpers/command.ts';
import { phEntry } from '../helpers/ph.ts';
import { createProject, iniText, workerModule } from '../helpers/project.ts';
import { missing } from '../helpers/terminal.ts';

type Keys = Readonly<Record<string, Readonly<Record<string, string | number>>>>;

async function unitOf(t: TestContext, sections: Keys, args: readonly string[] = []) {
  const project = createProject(t, { 'app.mjs': workerModule(), 'ph.ini': iniText(sections) });
  const { code, stdout, stderr } = await runCommand(t, project, ['systemd', ...args]);
  assert.equal(code, 0, stderr);
  return { project, unit: stdout, stderr };
}

/** The values of a setting, in their order. */
function valuesOf(unit: string, setting: string): string[] {
  return unit
    .split('\n')
    .flatMap(line => (line.startsWith(`${setting}=`) ? [line.slice(setting.length + 1)] : []));
}

const app = { task: 'app.mjs', graceful_timeout: 10 };

test('ph systemd prints a unit that starts this ph in the foreground, with absolute paths and the times of ph.ini', async t => {
  const other = { ...app, graceful_timeout: 90, boot_timeout: 120, log_file: 'other.log', on_exit: 'true' };
  const sections = { app: { ...app, hook_timeout: 12 }, other: { ...other, hook_timeout: 12 } };
  const { project, unit } = await unitOf(t, sections, ['--user', 'www-data']);
  const expected = {
    Description: ['ph: app, other'],
    Type: ['notify'],
    NotifyAccess: ['all'],
    WatchdogSec: ['30'],
    StartLimitIntervalSec: ['0'],
    ExecStart: [`${process.execPath} ${phEntry} run --config ${project.path('ph.ini')} --no-daemon`],
    ExecReload: [`${process.execPath} ${phEntry} reload --socket ${project.path('.ph.sock')}`],
    KillMode: ['mixed'],
    TimeoutStartSec: ['125'],
    TimeoutStopSec: ['107'],
    Restart: ['on-failure'],
    RestartSec: ['1'],
    RuntimeDirectory: [],
    RestartPreventExitStatus: ['2 4'],
    OOMPolicy: ['continue'],
    User: ['www-data'],
    WorkingDirectory: [project.directory],
    NoNewPrivileges: ['true'],
    CapabilityBoundingSet: [''],
    AmbientCapabilities: [],
    WantedBy: ['multi-user.target'],
  };
  const found = Object.fromEntries(Object.keys(expected).map(setting => [setting, valuesOf(unit, setting)]));
  assert.deepEqual(found, expected);
});

test('what the sections need is left to them: another account, low ports, files in /tmp and in /etc', async t => {
  const { unit } = await unitOf(
    t,
    { app: { ...app, bind: '0.0.0.0:80', nice: -5, log_file: '/etc/ph-test.log' } },
    ['--user', 'www-data'],
  );
  assert.deepEqual(valuesOf(unit, 'AmbientCapabilities'), ['CAP_NET_BIND_SERVICE CAP_SYS_NICE']);
  assert.deepEqual(valuesOf(unit, 'ReadWritePaths'), ['/etc']);
  assert.deepEqual(valuesOf(unit, 'RuntimeDirectory'), []);
  // The project of a test is there.
  assert.deepEqual(valuesOf(unit, 'PrivateTmp'), ['false']);

  const { unit: asRoot } = await unitOf(t, { app: { ...app, user: 'nobody' } }, ['--user', 'www-data']);
  assert.deepEqual(valuesOf(asRoot, 'User'), ['root']);
  assert.deepEqual(valuesOf(asRoot, 'CapabilityBoundingSet'), []);
});

test('directories of pidfile and control socket in /run are made by systemd, for they are gone after a boot', async t => {
  const path = `/run/ph-test-${process.pid}`;
  t.after(() => rmSync(path, { recursive: true, force: true }));
  try {
    mkdirSync(path);
  } catch (error) {
    return t.skip(`/run cannot be written: ${error}`);
  }
  // The control socket is beside it.
  const keys = { pidfile: `${path}/ph.pid` };
  const { unit } = await unitOf(t, { app: { ...app, ...keys } });
  assert.deepEqual(valuesOf(unit, 'RuntimeDirectory'), [path.slice('/run/'.length)]);
  assert.deepEqual(valuesOf(unit, 'RuntimeDirectoryPreserve'), ['yes']);
});

test('flags of ph run are kept, with paths that count from where they were given; PH_ variables are named', async t => {
  const project = createProject(t, { 'app.mjs': workerModule(), 'ph.ini': iniText({ app }) });
  mkdirSync(project.path('logs'));
  const args = [
    'systemd',
    'app.mjs',
    '-s',
    'app',
    '-w',
    '3',
    '--set',
    'log_file=logs/a.log',
    '--set',
    'mine=a b',
  ];
  const { code, stdout, stderr } = await runCommand(t, project, args, { env: { PH_THREADS: '1' } });
  assert.equal(code, 0, stderr);
  const words = [
    process.execPath,
    phEntry,
    'run',
    project.path('app.mjs'),
    '--config',
    project.path('ph.ini'),
  ];
  const rest = `--section app --set log_file=${project.path('logs/a.log')} --set "mine=a b" --set number_workers=3`;
  assert.deepEqual(valuesOf(stdout, 'ExecStart'), [`${words.join(' ')} ${rest} --no-daemon`]);
  assert.match(stderr, /^ph systemd: PH_THREADS had effect here, and is not in the unit/);
});

test('a configuration that does not load is no unit: exit code 2', async t => {
  const project = createProject(t, { 'ph.ini': iniText({ app: { task: 'nix.mjs' } }) });
  const { code, stdout, stderr } = await runCommand(t, project, ['systemd']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /the task module .*nix\.mjs does not exist/);
});

test('systemd takes the unit, also with odd names in it', { skip: missing('systemd-analyze') }, async t => {
  const project = createProject(t, {
    'a "b" $c 100%/app.mjs': workerModule(),
    'a "b" $c 100%/ph.ini': iniText({ app }),
  });
  const config = 'a "b" $c 100%/ph.ini';
  for (const args of [[], ['-c', config, '--set', 'mine=50% "$x" \\']]) {
    if (args.length === 0)
      project.write('ph.ini', iniText({ app: { ...app, task: `"${project.path('app.mjs')}"` } }));
    project.write('app.mjs', workerModule());
    const { code, stdout, stderr } = await runCommand(t, project, ['systemd', '--user', 'root', ...args]);
    assert.equal(code, 0, stderr);
    const path = project.write('ph-test.service', stdout);
    const { status, stderr: said } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    assert.equal(said, '');
    assert.equal(status, 0);
  }
});
