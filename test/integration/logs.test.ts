import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { readRecords, untilLogged } from '../helpers/log-file.ts';
import { phEntry, startPh } from '../helpers/ph.ts';
import { processesIn, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

const app = { task: 'app.mjs', threads: 0 };

test('supervisor and workers log to one file, each line a whole JSON record, and nothing goes to stderr', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `handleRequest() { this.logger.info({ round: true }, 'at work'); return this.sleep(1); }`,
    ),
    'ph.ini': iniText({ app: { ...app, number_workers: 2, log_file: 'ph.log' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const log = project.path('ph.log');
  await untilLogged(log, /all workers ready[\s\S]*at work/);
  const workers = ph.workers;
  assert.equal((await ph.stop()).code, 0);
  assert.equal(ph.stderr, '');

  const records = readRecords(log);
  assert.deepEqual(new Set(records.filter(({ round }) => round).map(({ pid }) => pid)), new Set(workers));
  for (const { pid, section, index, time, level } of records.filter(({ round }) => round)) {
    assert.deepEqual({ section, level, time: typeof time }, { section: 'app', level: 30, time: 'number' });
    assert.equal(index, 1 + workers.indexOf(pid as number));
  }
  assert.equal(records.at(-1)?.msg, 'stopped');
  assert.equal(records.at(-1)?.pid, ph.pid);
});

test('what a worker or a task prints is wrapped with section, pid, index and stream; JSON of its own is not', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `async initProcess() {
        console.log('from main');
        console.error('error from main');
        console.log('two\\nlines, "quoted" and ünïcödé ✓');
        console.log('{"own":"json","msg":"as it is"}');
        process.stdout.write('no line feed, yet');
        process.stdout.write(' one line\\n');
        await this.pool.run(undefined, { name: 'print' });
      }`,
      `export function print() { console.log('from a thread'); console.error('error from a thread'); }`,
    ),
    'ph.ini': iniText({ app: { ...app, threads: 1 } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const pid = (await ph.ready()).get(1);
  for (const [msg, stream] of [
    ['from main', 'stdout'],
    ['error from main', 'stderr'],
    ['two', 'stdout'],
    ['lines, "quoted" and ünïcödé ✓', 'stdout'],
    ['no line feed, yet one line', 'stdout'],
    ['from a thread', 'stdout'],
    ['error from a thread', 'stderr'],
  ] as const) {
    const { time, ...record } = await ph.log(record => record.msg === msg);
    assert.equal(typeof time, 'number');
    assert.deepEqual(record, {
      level: stream === 'stdout' ? 30 : 40,
      section: 'app',
      pid,
      index: 1,
      stream,
      msg,
    });
  }
  assert.deepEqual(
    ph.records.find(({ own }) => own),
    { own: 'json', msg: 'as it is' },
  );
});

test('two sections with different log files: each has its own lines; the supervisor writes to the first', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(`setup() { console.log('I am ' + this.config.name); }`),
    'ph.ini': iniText({ one: { ...app, log_file: 'one.log' }, two: { ...app, log_file: 'two.log' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await untilLogged(project.path('one.log'), /all workers ready/);
  assert.equal((await ph.stop()).code, 0);
  for (const [name, other] of [
    ['one', 'two'],
    ['two', 'one'],
  ]) {
    const records = readRecords(project.path(`${name}.log`));
    assert.ok(records.some(({ msg }) => msg === `I am ${name}`));
    assert.ok(!records.some(({ section }) => section === other));
    assert.equal(records.filter(({ exit }) => exit === 'drained').length, 1);
  }
  assert.equal(ph.stderr, '');
});

test('log_level silences what is logged below it, and never what a worker prints', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `setup() { this.logger.info('info'); this.logger.error('error'); console.log('printed'); }`,
    ),
    'ph.ini': iniText({ app: { ...app, log_level: 'error' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.log('printed');
  await ph.stop();
  assert.deepEqual(ph.records.map(({ msg }) => msg).sort(), ['error', 'printed']);
});

/** Runs `ph` on a terminal of its own. */
function startOnTerminal(t: TestContext, project: Project, command: string) {
  // `exec`: a shell that stays would get Ctrl-C as well, and exit with 130 itself.
  const line = `exec "${process.execPath}" "${phEntry}" ${command}`;
  const script = spawn('script', ['-qec', line, '/dev/null'], {
    cwd: project.directory,
    env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '' },
  });
  let text = '';
  script.stdout.on('data', chunk => {
    text += chunk;
  });
  cleanUp(t, async () => {
    for (const pid of processesIn(project.directory)) process.kill(pid, 'SIGKILL');
    await until('nothing runs on the terminal', () => processesIn(project.directory).length === 0);
  });
  return {
    exit: once(script, 'close').then(([code]) => code as number),
    type: (keys: string) => script.stdin.write(keys),
    shows: async (pattern: RegExp) => {
      await until(`the terminal shows ${pattern}`, () => pattern.test(text), 20_000);
      return text;
    },
  };
}

const ctrlC = '\x03';

test('on a terminal the log is for people; Ctrl-C ends the supervisor, which lets its workers finish', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `async handleRequest() { console.log('begun'); await new Promise(done => setTimeout(done, 300)); console.log('finished'); }
       stop() { console.log('stop() called'); }`,
    ),
  });
  const terminal = startOnTerminal(t, project, 'run app.mjs -t 0');
  const shown = await terminal.shows(/all workers ready[\s\S]*begun/);
  assert.match(shown, /\d\d:\d\d:\d\d\.\d{3}.*app#1 \d+ begun/);
  assert.doesNotMatch(shown, /\{"level"/);
  assert.ok(shown.includes('\x1b['), 'in colours');
  terminal.type(ctrlC);
  assert.equal(await terminal.exit, 0);
  const end = await terminal.shows(/stopped/);
  assert.equal(end.match(/stop\(\) called/g)?.length, 1);
  assert.equal(end.match(/begun/g)?.length, end.match(/finished/g)?.length);
  assert.match(end, /stopping: SIGINT/);
});

test('--log-format json holds on a terminal too, and --log-format pretty where there is none', async t => {
  const project = createProject(t, { 'app.mjs': workerModule() });
  const terminal = startOnTerminal(t, project, 'run app.mjs -t 0 --log-format json');
  assert.match(await terminal.shows(/all workers ready/), /^\{"level":30,.*"msg":"all workers ready"\}\r$/m);
  terminal.type(ctrlC);
  assert.equal(await terminal.exit, 0);

  const ph = startPh(t, ['run', 'app.mjs', '-t', '0', '--log-format', 'pretty'], { cwd: project.directory });
  await until('it is ready', () => /INFO.*all workers ready/.test(ph.stderr));
  assert.doesNotMatch(ph.stderr, /\{"level"/);
  assert.ok(!ph.stderr.includes('\x1b['), 'without colours');
  assert.equal((await ph.stop()).code, 0);
});
