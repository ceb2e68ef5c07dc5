import assert from 'node:assert/strict';
import { chmodSync, readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { asNobody, onlyRoot } from '../helpers/nobody.ts';
import { type Exit, type PhOptions, runPh } from '../helpers/ph.ts';
import { processesIn, until } from '../helpers/processes.ts';
import { createProject, type Project } from '../helpers/project.ts';

const files = {
  'task.mjs': 'export const task = () => 1;',
  'ph.ini': '[app]\ntask = task.mjs\npidfile = ph.pid\nlog_file = app.log\nthreads = 0\n',
  'readonly/keep.txt': '',
};

function everyFileOf(project: Project): string[] {
  return readdirSync(project.directory, { recursive: true, encoding: 'utf8' }).sort();
}

/** Runs `ph` to its end; whatever it says, it has left nothing behind and shows no stack of its own. */
async function fail(
  t: TestContext,
  project: Project,
  args: readonly string[],
  options: Partial<PhOptions> = {},
): Promise<Exit> {
  const before = everyFileOf(project);
  const exit = await runPh(t, args, { cwd: project.directory, ...options });
  assert.doesNotMatch(exit.stderr, /^\s+at |\bdist\/|node:internal|unexpected:/m);
  assert.equal(exit.stdout, '');
  assert.deepEqual(everyFileOf(project), before, 'no pidfile, no log file');
  await until('no process is left', () => processesIn(project.directory).length === 0);
  return exit;
}

interface Case {
  readonly what: string;
  readonly args: readonly string[];
  /** All that is on stderr; `DIR` stands for the project. */
  readonly says: string;
  readonly ini?: string;
}

const hint = '(ph --help, or ph COMMAND --help, shows what there is)';
const ini = (lines: string) => `[app]\ntask = task.mjs\npidfile = ph.pid\n${lines}\n`;

const cases: readonly Case[] = [
  {
    what: 'an unknown flag',
    args: ['run', '--bogus'],
    says: `error: unknown option '--bogus'\n${hint}`,
  },
  {
    what: 'a misspelt flag, with the one that was meant',
    args: ['run', '--worker', '2'],
    says: `error: unknown option '--worker'\n(Did you mean --workers?)\n${hint}`,
  },
  {
    what: 'an unknown command, with the one that was meant',
    args: ['chek'],
    says: `error: unknown command 'chek'\n(Did you mean check?)\n${hint}`,
  },
  {
    what: 'a second FILE',
    args: ['run', 'task.mjs', 'other.mjs'],
    says: `error: too many arguments for 'run'. Expected 1 argument but got 2.\n${hint}`,
  },
  {
    what: 'a flag without its value',
    args: ['run', '-c'],
    says: `error: option '-c, --config <file>' argument missing\n${hint}`,
  },
  {
    what: 'a --set that is no pair',
    args: ['run', '--set', 'workers'],
    says: `error: option '--set <key=value>' argument 'workers' is invalid. It has the form key=value.\n${hint}`,
  },
  {
    what: 'a --log-format that there is not',
    args: ['run', '--log-format', 'xml'],
    says: `error: option '--log-format <format>' argument 'xml' is invalid. Allowed choices are auto, pretty, json.\n${hint}`,
  },
  {
    what: 'a FILE that is not there',
    args: ['run', 'missing.mjs'],
    says: 'ph: command line: task: the task module DIR/missing.mjs does not exist',
  },
  {
    what: 'a FILE that is a directory',
    args: ['run', 'readonly'],
    says: 'ph: command line: task: the task module DIR/readonly is a directory',
  },
  {
    what: 'a configuration that is not there',
    args: ['run', '-c', 'missing.ini'],
    says: 'ph: DIR/missing.ini: does not exist',
  },
  {
    what: 'a configuration that is a directory',
    args: ['run', '-c', 'readonly'],
    says: 'ph: DIR/readonly: is a directory',
  },
  {
    what: 'a number out of range on the command line',
    args: ['run', '-w', '0'],
    says: 'ph: command line: number_workers: expected an integer from 1 to 1024, or auto, not "0"',
  },
  {
    what: 'no number at all',
    args: ['run', '-t', 'many'],
    says: 'ph: command line: threads: expected an integer from 0 to 1024, or auto, not "many"',
  },
  {
    what: 'a number out of range in the file',
    args: ['run'],
    ini: ini('number_workers = 1025'),
    says: 'ph: DIR/ph.ini:4: [app] number_workers: expected an integer from 1 to 1024, or auto, not "1025"',
  },
  {
    what: 'a port out of range',
    args: ['run'],
    ini: ini('bind = localhost:65536'),
    says: 'ph: DIR/ph.ini:4: [app] bind: expected a port from 0 to 65535, not "localhost:65536"',
  },
  {
    what: 'a misspelt key',
    args: ['run'],
    ini: ini('gracefull_timeout = 3'),
    says: 'ph: DIR/ph.ini:4: [app] gracefull_timeout: unknown key; did you mean `graceful_timeout`?',
  },
  {
    what: 'a pidfile in a directory that does not exist',
    args: ['run'],
    ini: '[app]\ntask = task.mjs\npidfile = run/ph.pid\nlog_file = app.log\n',
    says: 'ph: DIR/ph.ini:3: [app] pidfile: the directory DIR/run does not exist',
  },
  {
    what: 'a pidfile that is a directory',
    args: ['run'],
    ini: '[app]\ntask = task.mjs\npidfile = readonly\nlog_file = app.log\n',
    says: 'ph: DIR/ph.ini:3: [app] pidfile: DIR/readonly is a directory',
  },
  {
    what: 'a section that is not there',
    args: ['run', '-s', 'web'],
    says: 'ph: DIR/ph.ini: [web] no such section; there are: app',
  },
  {
    what: 'a section without a task',
    args: ['run', '-s', 'app'],
    ini: '[app]\nnumber_workers = 2\n',
    says: 'ph: DIR/ph.ini: [app] has no task: add task = FILE',
  },
  {
    what: 'a file without any task',
    args: ['run'],
    ini: '[app]\n[web]\n',
    says: 'ph: DIR/ph.ini: no section has a task: add task = FILE to one of app, web, or start one with ph run FILE',
  },
  {
    what: 'several problems, all of them at once',
    args: ['run', '-t', '-1'],
    ini: ini('number_workers = 0\nrestart = sometimes'),
    says: [
      'ph: DIR/ph.ini:4: [app] number_workers: expected an integer from 1 to 1024, or auto, not "0"',
      'DIR/ph.ini:5: [app] restart: expected one of always, on-failure, never, not "sometimes"',
      'command line: threads: expected an integer from 0 to 1024, or auto, not "-1"',
    ].join('\n'),
  },
];

for (const { what, args, says, ini: content = files['ph.ini'] } of cases) {
  test(`bad input: ${what}`, async t => {
    const project = createProject(t, { ...files, 'ph.ini': content });
    const { code, stderr } = await fail(t, project, args);
    assert.equal(stderr, `${says.replaceAll('DIR', project.directory)}\n`);
    assert.equal(code, 2);
  });
}

test('bad input: nothing to run at all', async t => {
  const project = createProject(t, {});
  const { code, stderr } = await fail(t, project, ['run']);
  assert.equal(code, 2);
  assert.equal(
    stderr,
    `ph: ${project.directory}: nothing to run: start a task module with ph run FILE, or write a ph.ini with a task in a section\n`,
  );
});

test('bad input: a pidfile or a log file in a directory that may not be written', {
  skip: onlyRoot,
}, async t => {
  const project = createProject(t, files);
  chmodSync(project.directory, 0o755);
  chmodSync(project.path('readonly'), 0o555);
  for (const key of ['pidfile', 'log_file']) {
    const args = ['run', 'task.mjs', '-t', '0', '--set', `${key}=readonly/file`];
    const { code, stderr } = await fail(t, project, args, { launcher: asNobody });
    assert.equal(stderr, `ph: command line: ${key}: ${project.path('readonly')} cannot be written to\n`);
    assert.equal(code, 2);
  }
});

test('bad input: a FILE and a configuration that may not be read', { skip: onlyRoot }, async t => {
  const project = createProject(t, files);
  chmodSync(project.directory, 0o755);
  chmodSync(project.path('task.mjs'), 0);
  chmodSync(project.path('ph.ini'), 0);
  const module = await fail(t, project, ['run', 'task.mjs', '-c', '/dev/null'], { launcher: asNobody });
  assert.equal(
    module.stderr,
    `ph: command line: task: the task module ${project.path('task.mjs')} cannot be read\n`,
  );
  const configuration = await fail(t, project, ['run'], { launcher: asNobody });
  assert.match(configuration.stderr, /^ph: .*\/ph\.ini: cannot be read: .*permission denied.*\n$/);
  assert.deepEqual([module.code, configuration.code], [2, 2]);
});

test('bad input: a working directory that was removed', async t => {
  const project = createProject(t, { 'gone/x': '' });
  const launcher = ['bash', '-c', 'rm -r ../gone; exec "$@"', 'bash'];
  const { code, stderr } = await runPh(t, ['run', 'task.mjs'], { cwd: project.path('gone'), launcher });
  assert.equal(
    stderr,
    'ph: command line: the working directory does not exist any more; change to another one\n',
  );
  assert.equal(code, 2);
});
