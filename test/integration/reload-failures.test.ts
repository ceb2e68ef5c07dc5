import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { readRecords, untilLogged } from '../helpers/log-file.ts';
import { isReadyLine, type Ph, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

interface FailureCase {
  readonly what: string;
  /** Breaks the project. */
  readonly spoil: (project: Project) => void;
  /** In the message of `reload failed`, or in its details. */
  readonly reason: RegExp;
}

const app = { task: 'app.mjs', threads: 0 };

const good = {
  'ph.ini': iniText({
    one: { task: 'one.mjs', threads: 1, number_workers: 2, env_file: 'one.env' },
    two: { task: 'two.mjs', threads: 0 },
  }),
  'one.mjs': workerModule('', 'export const task = () => 1;'),
  'two.mjs': workerModule(),
  'one.env': 'A=1\n',
};

const cases: readonly FailureCase[] = [
  {
    what: 'a misspelt key',
    spoil: project => project.write('ph.ini', `${good['ph.ini']}gracefull_timeout = 3\n`),
    reason: /ph\.ini:10: \[two\] gracefull_timeout: .*graceful_timeout/,
  },
  {
    what: 'a value of the wrong type and one out of range, both named',
    spoil: project => project.write('ph.ini', `${good['ph.ini']}number_workers = 0\ntimeout = soon\n`),
    reason: /ph\.ini:10: \[two\] number_workers: .*\n.*ph\.ini:11: \[two\] timeout: /,
  },
  {
    what: 'no configuration at all',
    spoil: project => project.write('ph.ini', ''),
    reason: /ph\.ini: there is no section/,
  },
  {
    what: 'an env_file that is not there',
    spoil: project => project.write('ph.ini', good['ph.ini'].replace('one.env', 'none.env')),
    reason: /ph\.ini:5: \[one\] env_file: .*none\.env does not exist/,
  },
  {
    what: 'a syntax error in a task module',
    spoil: project => project.write('two.mjs', 'export const a = 1;\nexport function (\n'),
    reason: /\[two\] SyntaxError: [\s\S]*two\.mjs:2/,
  },
  {
    what: 'a module that throws',
    spoil: project =>
      project.write('two.mjs', `const load = () => {\n  throw new RangeError('bad module');\n};\nload();\n`),
    reason: /\[two\] RangeError: bad module[\s\S]*at load \(.*two\.mjs:2:9\)/,
  },
  {
    what: 'a module that throws in its threads only',
    spoil: project =>
      project.write(
        'one.mjs',
        `import { isMainThread } from 'node:worker_threads';\nif (!isMainThread) throw new Error('not here');\n${good['one.mjs']}`,
      ),
    reason: /\[one\] on a thread: Error: not here[\s\S]*one\.mjs:2/,
  },
  {
    what: 'a module that exports nothing usable',
    spoil: project => project.write('two.mjs', 'export const a = 1;\n'),
    reason: /\[two\] .*two\.mjs exports no task \(found: a\)/,
  },
  {
    what: 'an import that is not there',
    spoil: project => project.write('two.mjs', `import 'no-such-package';\n`),
    reason: /\[two\] Error: Cannot find package 'no-such-package'/,
  },
  {
    what: 'a worker that fails in setup()',
    spoil: project =>
      project.write('two.mjs', workerModule(`async setup() { throw new Error('no database'); }`)),
    reason: /\[two\] Error: no database[\s\S]*at default\.setup \(.*two\.mjs:4/,
  },
  {
    what: 'a worker that fails in its constructor',
    spoil: project =>
      project.write(
        'two.mjs',
        workerModule(`constructor(context) { super(context); throw new Error('unborn'); }`),
      ),
    reason: /\[two\] Error: unborn[\s\S]*two\.mjs:4/,
  },
  {
    what: 'a worker that exits in setup()',
    spoil: project => project.write('two.mjs', workerModule('setup() { process.exit(3); }')),
    reason: /\[two\] exited with code 3 before it was ready/,
  },
  {
    what: 'a worker that hangs in setup()',
    spoil: project => {
      project.write('two.mjs', workerModule('setup() { for (;;); }'));
      project.write('ph.ini', `${good['ph.ini']}boot_timeout = 1\n`);
    },
    reason: /\[two\] killed: not ready within 1 s \(boot_timeout\)/,
  },
  {
    what: 'a log file in a directory that is not there',
    spoil: project => project.write('ph.ini', `${good['ph.ini']}log_file = none/ph.log\n`),
    reason: /ph\.ini:10: \[two\] log_file: the directory .*none does not exist/,
  },
  {
    what: 'a pidfile in a directory that is not there',
    spoil: project => project.write('ph.ini', `${good['ph.ini']}pidfile = none/ph.pid\n`),
    reason: /ph\.ini:10: \[two\] pidfile: the directory .*none does not exist/,
  },
  {
    what: 'a new section that cannot boot',
    spoil: project => {
      project.write('three.mjs', `throw new Error('three is broken');`);
      project.write('ph.ini', `${good['ph.ini']}\n[three]\ntask = three.mjs\nthreads = 0\n`);
    },
    reason: /\[three\] Error: three is broken/,
  },
  {
    what: 'sections that disagree on what is the whole supervisor’s',
    spoil: project => project.write('ph.ini', `${good['ph.ini']}single_instance = no\n`),
    reason: /ph\.ini:10: \[two\] single_instance: .*have to agree/,
  },
];

test('S17 a reload that fails changes nothing of any section: the same workers serve, and the reason is logged', async t => {
  const project = createProject(t, good);
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const workers = ph.workers.sort();
  assert.equal(workers.length, 3);

  for (const { what, spoil, reason } of cases) {
    await t.test(what, async () => {
      spoil(project);
      const mark = ph.records.length;
      ph.signal('SIGHUP');
      const { level, msg, details } = await ph.log('reload failed', mark);
      assert.equal(level, 50);
      assert.match(msg, /^reload failed, everything stays as it was: /);
      const text = `${msg}\n${details ?? ''}`;
      assert.ok(!ph.records.slice(mark).some(({ err }) => err), 'no stack of ours');
      assert.match(text, reason);
      assert.doesNotMatch(text, /dist\/|node:internal|undefined/);
      await noCandidateLeft(ph, workers);
    });
    for (const [name, content] of Object.entries(good)) project.write(name, content);
  }

  const mark = ph.records.length;
  ph.signal('SIGHUP');
  await ph.logs(isReadyLine, 3, mark);
  const { generation } = await ph.log(isReadyLine, mark);
  assert.equal(generation, 2, 'failed attempts do not count');
  assert.equal((await ph.stop()).code, 0);
});

/** Boots of the failed attempt may be ending still; the serving workers are there all the time. */
async function noCandidateLeft(ph: Ph, workers: readonly number[]): Promise<void> {
  await until('only the old workers are there', () => ph.workers.length === workers.length);
  assert.deepEqual(ph.workers.sort(), workers);
}

test('S18 a log file that cannot be opened at a reload keeps the previous log settings', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'ph.ini': iniText({ app: { ...app, log_file: 'first.log' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const socket = net.createServer().listen(project.path('a-socket'));
  cleanUp(t, () => socket.close());
  const first = project.path('first.log');
  const second = project.path('second.log');
  await untilLogged(first, /all workers ready/);
  // There when the configuration is checked, and yet not to be opened: the last moment at which a reload can fail.
  project.write('ph.ini', iniText({ app: { ...app, log_file: 'a-socket', log_level: 'debug' } }));
  ph.signal('SIGHUP');
  await untilLogged(first, /reload failed.*cannot open log file .*a-socket/);

  project.write('ph.ini', iniText({ app: { ...app, log_file: 'second.log' } }));
  ph.signal('SIGHUP');
  await untilLogged(second, /worker 1 \(pid \d+\) drained/);
  assert.equal((await ph.stop()).code, 0);
  assert.equal(readRecords(second).filter(({ msg }) => msg === 'stopped').length, 1);
  assert.ok(!readRecords(first).some(({ msg }) => msg === 'stopped'));
  assert.equal(ph.stderr, '');
});
