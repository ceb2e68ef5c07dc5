import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { runCommand, startCommand } from '../helpers/command.ts';
import { untilLogged } from '../helpers/log-file.ts';
import { startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

const app = { task: 'app.mjs', threads: 0 };

interface LineOptions {
  readonly level?: number;
  readonly section?: string;
}

/** A line of a log. @param age seconds ago */
function line(msg: string, age: number, { level = 30, section = 'a' }: LineOptions = {}): string {
  const time = Math.round(start - age * 1000);
  return `${JSON.stringify({ level, time, pid: 7, section, index: 1, name: section, msg })}\n`;
}

const start = Date.now();

function setUp(
  t: TestContext,
  sections: Readonly<Record<string, Readonly<Record<string, string | number>>>>,
) {
  const project = createProject(t, { 'app.mjs': workerModule(), 'ph.ini': iniText(sections) });
  const logs = async (...args: readonly string[]) => {
    const exit = await runCommand(t, project, ['logs', ...args]);
    return { ...exit, lines: exit.stdout.split('\n').slice(0, -1) };
  };
  /** The messages that `ph logs --json` shows. */
  const messages = async (...args: readonly string[]) => {
    const { code, stderr, lines } = await logs('--json', ...args);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    return lines.map(text => JSON.parse(text).msg as string);
  };
  return { project, logs, messages };
}

test('logs of all sections come in the order of time, over rotated files; -n, --level and --since take what they say', async t => {
  const own = { ...app, log_file: 'a.log' };
  const shared = { ...app, log_file: 'shared.log' };
  const { project, logs, messages } = setUp(t, { a: own, b: shared, c: shared });
  project.write('a.log.2', line('a1', 900) + line('a2', 800, { level: 50 }));
  project.write('a.log.1', line('a3', 700) + line('a4', 600, { level: 40 }));
  project.write('a.log', `${line('a5', 500)}{"own":"json","msg":"a6"}\n${line('a7', 300).trimEnd()}`);
  project.write('a.log.4', line('after a gap', 10_000));
  project.write(
    'shared.log',
    line('b1', 850, { section: 'b' }) +
      line('c1', 750, { section: 'c' }) +
      line('b2', 450, { section: 'b', level: 50 }),
  );
  const all = ['a1', 'b1', 'a2', 'c1', 'a3', 'a4', 'a5', 'a6', 'b2', 'a7'];
  for (const [args, expected] of [
    [[], all],
    [['-n', '0'], []],
    [['a'], all.filter(msg => msg.startsWith('a'))],
    [['b'], ['b1', 'b2']],
    [
      ['--level', 'warn'],
      ['a2', 'a4', 'b2'],
    ],
    [['--level', 'error', '-n', '1'], ['b2']],
    [['--since', '725s'], all.slice(4)],
    [
      ['--since', '13m', '-n', '2', 'a'],
      ['a6', 'a7'],
    ],
    [
      ['--since', new Date(start - 620_000).toISOString(), '--level', 'warn'],
      ['a4', 'b2'],
    ],
  ] as const) {
    assert.deepEqual({ args, messages: await messages(...args) }, { args, messages: expected });
  }
  const { lines } = await logs('-n', '3');
  assert.match(lines[0] ?? '', /^\[\d\d:\d\d:\d\d\.\d{3}\] ERROR: b#1 7 b2$/);
  assert.equal(lines[1], '{"own":"json","msg":"a6"}');
});

test('the end of a huge log is there at once: no more of it is read than is shown', async t => {
  const { project, messages } = setUp(t, { a: { ...app, log_file: 'a.log' } });
  project.write('a.log', '');
  // Without data in it, and yet it would take longer to read than a test may last.
  truncateSync(project.path('a.log'), 2 ** 38);
  const last = Array.from({ length: 150 }, (_, n) => line(`${n} ${'x'.repeat(2000)}`, 150 - n));
  appendFileSync(project.path('a.log'), `\n${last.join('')}`);
  const shown = (await messages('a')).map(msg => Number.parseInt(msg, 10));
  assert.deepEqual(
    shown,
    Array.from({ length: 100 }, (_, n) => n + 50),
  );
});

test('S30 ph logs -f shows every line once, in order, while the log is rotated by its size', async t => {
  const chatty = workerModule(
    `async handleRequest() {
      for (let i = 0; i < 100; i++) console.log('line ' + this.n++);
      await this.sleep(5);
    }
    n = 0;
    stop() { console.log('last ' + this.n); }`,
  );
  const keys = { ...app, log_file: 'ph.log', log_max_size: '64K', log_keep: 1000 };
  const { project } = setUp(t, { app: keys });
  project.write('app.mjs', chatty);
  const { child, exit } = startCommand(t, project, ['logs', '-f', '--json']);
  let stderr = '';
  let shown = '';
  child.stderr?.on('data', chunk => {
    stderr += chunk;
  });
  child.stdout?.on('data', chunk => {
    shown += chunk;
  });
  await until('it waits for the log', () => stderr.includes('there is no log yet'));
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await until('ten files are full', () => readdirSync(project.directory).includes('ph.log.10'));
  assert.equal((await ph.stop()).code, 0);
  await until('the last line is shown', () => shown.includes('"msg":"stopped"'));
  child.kill('SIGINT');
  assert.equal((await exit).signal, 'SIGINT');
  const count = readdirSync(project.directory).filter(name => /^ph\.log\.\d+$/.test(name)).length;
  const files = ['ph.log', ...Array.from({ length: count }, (_, i) => `ph.log.${i + 1}`)].reverse();
  const written = files.map(name => readFileSync(project.path(name), 'utf8')).join('');
  assert.equal(shown, written);
});

/** A follower, and what it has shown. */
async function follow(t: TestContext, project: Project, ...args: readonly string[]) {
  const { child } = startCommand(t, project, ['logs', '-f', '--json', ...args]);
  let shown = '';
  child.stdout?.on('data', chunk => {
    shown += chunk;
  });
  const messages = () =>
    shown.split('\n').flatMap(text => (text === '' ? [] : (JSON.parse(text).msg as string)));
  const shows = (msg: string) => until(`${msg} is shown`, () => messages().includes(msg));
  return { messages, shows };
}

test('S30 ph logs -f goes with a log that is renamed and opened anew on USR1', async t => {
  const { project } = setUp(t, { app: { ...app, log_file: 'ph.log', log_level: 'info' } });
  project.write(
    'app.mjs',
    workerModule(`async handleRequest() { console.log('line ' + this.n++); await this.sleep(2); }
      n = 0;
      stop() { console.log('last ' + this.n); }`),
  );
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const log = project.path('ph.log');
  await untilLogged(log, /line 10"/);
  const { messages, shows } = await follow(t, project, '-n', '1000000');
  await shows('line 20');
  for (const name of ['moved.1', 'moved.2']) {
    renameSync(log, project.path(name));
    await until('it goes on in the renamed file', () => readFileSync(project.path(name)).length > 5000);
    ph.signal('SIGUSR1');
    await untilLogged(log, /line \d+"/);
    const first = JSON.parse(readFileSync(log, 'utf8').split('\n')[0] ?? '').msg;
    await shows(first);
  }
  assert.equal((await ph.stop()).code, 0);
  await shows('stopped');
  const lines = messages().filter(msg => msg.startsWith('line '));
  const last = Number(
    messages()
      .find(msg => msg.startsWith('last '))
      ?.slice(5),
  );
  assert.deepEqual(
    lines,
    Array.from({ length: last }, (_, n) => `line ${n}`),
  );
});

test('ph logs -f begins anew where a log is cut off, waits for the rest of a line, and takes up a log that comes again', async t => {
  const { project } = setUp(t, { a: { ...app, log_file: 'a.log' }, b: { ...app, log_file: 'b.log' } });
  const log = project.write('a.log', line('old', 60) + line('older than what comes', 50));
  const { messages, shows } = await follow(t, project, '-n', '1');
  await shows('older than what comes');
  truncateSync(log, 0);
  const [half, rest] = [line('after the cut', 40).slice(0, 30), line('after the cut', 40).slice(30)];
  appendFileSync(log, half);
  appendFileSync(project.path('b.log'), line('of b', 39));
  await shows('of b');
  appendFileSync(log, rest);
  await shows('after the cut');
  rmSync(log);
  appendFileSync(log, line('anew', 30));
  await shows('anew');
  assert.deepEqual(messages(), ['older than what comes', 'of b', 'after the cut', 'anew']);
});

test('where there is no log to show it says why, with the exit code of the reason', async t => {
  const { project, logs } = setUp(t, {
    a: { ...app, log_file: 'a.log' },
    b: app,
    p: { ...app, log_file: 'p.log', log_format: 'pretty' },
    d: { ...app, log_file: '/dev/null' },
  });
  project.write('p.log', '[12:00:00.000] INFO: p#1 7 for people\n    and a second line\n');
  for (const [args, code, message] of [
    [
      ['b'],
      2,
      /^ph: \[b\] logs to stderr, which is kept where ph run was started: set log_file to keep a log/,
    ],
    [['x'], 2, /^ph: there is no section x with a log; there are: a, b, p, d$/m],
    [['a'], 1, /^ph: there is no log yet: .*a\.log$/m],
    [['d'], 2, /^ph: \/dev\/null is no regular file/],
    [
      ['p', '--level', 'warn', '--json'],
      2,
      /^ph: .*p\.log is written with log_format = pretty, of which --level, --json/,
    ],
    [['a', '-n', 'x'], 2, /Expected an integer of at least 0, not "x"\./],
    [['a', '--since', 'x'], 2, /Expected a duration such as 90s, 10m or 2h, or a date such as/],
    [['-c', 'nix.ini'], 2, /nix\.ini: does not exist/],
  ] as const) {
    const { stdout, stderr, ...exit } = await logs(...args);
    assert.deepEqual({ args, code: exit.code, stdout }, { args, code, stdout: '' });
    assert.match(stderr, message);
  }
  project.write('a.log', line('newest', 1));
  mkdirSync(project.path('a.log.1'));
  const unreadable = await logs('a');
  assert.equal(unreadable.code, 1);
  assert.match(unreadable.stderr, /^ph: .*a\.log\.1 cannot be read: illegal operation on a directory\n$/);

  assert.equal((await logs('p', '-n', '1')).stdout, '    and a second line\n');

  // What is wrong elsewhere hides no log.
  rmdirSync(project.path('a.log.1'));
  project.write('a.log', line('still there', 1));
  project.write('ph.ini', '[a]\ntask = gone.mjs\nthreads = many\nlog_file = a.log\n[b]\ntask = app.mjs\n');
  const { code, lines, stderr } = await logs('--json');
  assert.equal(code, 0);
  assert.deepEqual(
    lines.map(text => JSON.parse(text).msg),
    ['still there'],
  );
  assert.match(stderr, /^ph logs: \[b\] logs to stderr/);
});

test('ph logs ends quietly where its reader leaves', async t => {
  const { project } = setUp(t, { a: { ...app, log_file: 'a.log' } });
  project.write('a.log', line('x'.repeat(1000), 1).repeat(5000));
  const { child, exit } = startCommand(t, project, ['logs', '-n', '5000'], { input: '' });
  child.stdout?.once('data', () => child.stdout?.destroy());
  const { code, stderr } = await exit;
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
});
