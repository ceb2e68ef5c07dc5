import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Ph, runPh, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, packageRoot } from '../helpers/project.ts';

/** Logs what it was started with. */
const tells = `
  import { Worker } from 'processhandler';
  export default class extends Worker {
    setup() {
      const { name, numberWorkers, threads, gracefulTimeout, procName, settings } = this.config;
      this.logger.info({ told: { name, numberWorkers, threads, gracefulTimeout, procName, settings } }, 'told');
    }
  }`;

interface Told {
  readonly name: string;
  readonly numberWorkers: number;
  readonly threads: number;
  readonly gracefulTimeout: number;
  readonly procName: string;
  readonly settings: Readonly<Record<string, string>>;
}

function setUp(t: TestContext, files: Readonly<Record<string, string>>) {
  const project = createProject(t, { 'task.mjs': tells, ...files });
  const start = async (args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) => {
    const ph = startPh(t, ['run', ...args], { cwd: project.directory, ...options });
    await ph.ready();
    return ph;
  };
  return { project, start };
}

/** What the first worker that says it from the `from`-th record on was started with. */
async function toldBy(ph: Ph, from = 0): Promise<Told> {
  return (await ph.log(/^told$/, from)).told as Told;
}

async function sectionsOf(ph: Ph, count: number): Promise<string[]> {
  const records = await ph.logs(/^told$/, count);
  return records.map(({ section }) => section as string).sort();
}

test('ph run FILE runs in the section of its base name: its keys and own settings hold, those of others do not', async t => {
  const { start } = setUp(t, {
    'ph.ini': '[DEFAULT]\nthreads = 0\n[task]\ngraceful_timeout = 7\ncolour = red\n[other]\ncolour = blue\n',
  });
  const told = await toldBy(await start(['./task.mjs']));
  assert.equal(told.name, 'task');
  assert.equal(told.gracefulTimeout, 7000);
  assert.deepEqual(told.settings, { colour: 'red' });
});

test('ph run FILE needs no section, and no ph.ini', async t => {
  const { project, start } = setUp(t, {});
  const without = await toldBy(await start(['task.mjs', '-t', '0']));
  assert.equal(without.name, 'task');
  assert.equal(without.numberWorkers, 1);
  project.write('ph.ini', '[DEFAULT]\nthreads = 0\ncolour = green\n[other]\ntask = missing.mjs\n');
  assert.deepEqual((await toldBy(await start(['task.mjs']))).settings, { colour: 'green' });
});

test('ph run FILE -s NAME runs the file in that section', async t => {
  const { start } = setUp(t, { 'ph.ini': '[other]\nthreads = 0\ncolour = blue\n' });
  const told = await toldBy(await start(['task.mjs', '-s', 'other']));
  assert.equal(told.name, 'other');
  assert.deepEqual(told.settings, { colour: 'blue' });
});

test('without --config it is the nearest ph.ini upwards; with it that one, and its paths count from its directory', async t => {
  const { project, start } = setUp(t, {
    'ph.ini': '[outer]\ntask = task.mjs\nthreads = 0\n',
    'a/ph.ini': '[near]\ntask = ../task.mjs\nthreads = 0\n',
    'a/b/c/here.txt': '',
    'elsewhere/own.ini': '[named]\ntask = ../task.mjs\nthreads = 0\n',
  });
  const cwd = project.path('a/b/c');
  assert.equal((await toldBy(await start([], { cwd }))).name, 'near');
  assert.equal((await toldBy(await start(['-c', '../../../elsewhere/own.ini'], { cwd }))).name, 'named');
});

const three =
  '[DEFAULT]\nthreads = 0\n[a]\ntask = task.mjs\n[b]\ntask = task.mjs\n[c]\ntask = task.mjs\n[none]\nx = 1\n';

test('ph run runs every section that has a task, -s only those named', async t => {
  const { start } = setUp(t, { 'ph.ini': three });
  const all = await start([]);
  assert.deepEqual(await sectionsOf(all, 3), ['a', 'b', 'c']);
  const some = await start(['-s', 'c', '--section', 'a']);
  assert.deepEqual(await sectionsOf(some, 2), ['a', 'c']);
  assert.match((await some.log('supervising')).msg, /^supervising a, c$/);
});

test('a section that is not there lists those that are, with exit code 2', async t => {
  const { project } = setUp(t, { 'ph.ini': three });
  const { code, stderr } = await runPh(t, ['run', '-s', 'a', '-s', 'd'], { cwd: project.directory });
  assert.equal(code, 2);
  assert.equal(stderr, `ph: ${project.path('ph.ini')}: [d] no such section; there are: a, b, c, none\n`);
});

test('-w, -t and --set take effect in the worker, over section and environment', async t => {
  const { start } = setUp(t, {
    'ph.ini': '[task]\nnumber_workers = 3\nthreads = 3\ngraceful_timeout = 3\ncolour = red\n',
  });
  const args = ['task.mjs', '-w', '2', '-t', '1', '--set', 'graceful_timeout=5', '--set', 'Colour = a=b #c'];
  const ph = await start(args, { env: { PH_NUMBER_WORKERS: '4', PH_GRACEFUL_TIMEOUT: '4' } });
  const told = await toldBy(ph);
  assert.equal(ph.workers.length, 2);
  assert.equal(told.numberWorkers, 2);
  assert.equal(told.threads, 1);
  assert.equal(told.gracefulTimeout, 5000);
  assert.deepEqual(told.settings, { colour: 'a=b #c' });
});

test('a PH_ variable takes effect in the worker, over the section', async t => {
  const { start } = setUp(t, { 'ph.ini': '[task]\nthreads = 0\ngraceful_timeout = 3\nproc_name = mine\n' });
  const told = await toldBy(await start(['task.mjs'], { env: { PH_GRACEFUL_TIMEOUT: '4' } }));
  assert.equal(told.gracefulTimeout, 4000);
  assert.equal(told.procName, 'mine');
});

test('flags hold after a reload too', async t => {
  const { project, start } = setUp(t, { 'ph.ini': '[task]\nthreads = 0\ncolour = red\n' });
  const ph = await start(['task.mjs', '--set', 'graceful_timeout=5']);
  project.write('ph.ini', '[task]\nthreads = 0\ncolour = blue\ngraceful_timeout = 9\n');
  const from = ph.records.length;
  ph.signal('SIGHUP');
  const told = await toldBy(ph, from);
  assert.equal(told.gracefulTimeout, 5000);
  assert.deepEqual(told.settings, { colour: 'blue' });
});

test('--log-format pretty is for people: no JSON, the section and the level in each line', async t => {
  const { project } = setUp(t, {});
  const ph = startPh(t, ['run', 'task.mjs', '-t', '0', '--log-format', 'pretty'], { cwd: project.directory });
  await until('it is ready', () => ph.stderr.includes('all workers ready'));
  assert.match(ph.stderr, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: task#1 \d+ told/m);
  assert.equal(ph.records.length, 0);
  assert.equal((await ph.stop()).code, 0);
});

test('--version is that of the package', async t => {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  for (const flag of ['--version', '-V']) {
    const { code, stdout, stderr } = await runPh(t, [flag], { cwd: '/' });
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${version}\n`, stderr: '' });
  }
});

for (const [args, lines] of [
  [['--help'], [/^Usage: ph /, /^ {2}run /m, /^ {2}check /m, /^Exit codes: 0 done, 1 failed, 2 /m]],
  [
    ['run', '--help'],
    [/^Usage: ph run /, /--watch/, /^Examples:\n {2}\$ ph run tasks\/jobexecute\.ts/m],
  ],
  [
    ['check', '--help'],
    [/^Usage: ph check /, /--json/, /^Examples:\n {2}\$ ph check/m],
  ],
  [['help', 'run'], [/^Usage: ph run /]],
] as const) {
  test(`ph ${args.join(' ')} is help on stdout, with exit code 0`, async t => {
    const { code, stdout, stderr } = await runPh(t, args, { cwd: '/' });
    assert.equal(code, 0);
    assert.equal(stderr, '');
    for (const line of lines) assert.match(stdout, line);
  });
}

test('ph alone shows what there is, and is a usage error', async t => {
  const { code, stdout, stderr } = await runPh(t, [], { cwd: '/' });
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^Usage: ph /);
});

test('references in ph.ini reach the worker resolved, the environment included', async t => {
  const { start } = setUp(t, {
    'ph.ini': '[DEFAULT]\nroot = /data\n[task]\nthreads = 0\nroot = /srv\nfiles = %(root)s/%(ENV_WHO)s\n',
  });
  const { settings } = await toldBy(await start(['task.mjs'], { env: { WHO: 'me' } }));
  assert.deepEqual(settings, { root: '/srv', files: '/srv/me' });
});
