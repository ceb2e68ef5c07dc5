import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../src/control/client.ts';
import { type Ph, runPh, startPh } from '../helpers/ph.ts';
import { isAlive, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project } from '../helpers/project.ts';

const module = `
  import { existsSync, writeFileSync } from 'node:fs';
  export function square(n) { return n * n }
  export function fail() { throw new RangeError('too much') }
  export function spin(file) { writeFileSync(file, 'x'); for (;;); }
  export async function slow(file) { while (!existsSync(file)) await new Promise(resolve => setTimeout(resolve, 10)); return 'done' }
`;

type Sections = Readonly<Record<string, Readonly<Record<string, string | number>>>>;

async function setUp(t: TestContext, sections: Sections = { math: {} }) {
  const named = Object.entries(sections).map(([name, keys]) => [
    name,
    { task: 'math.mjs', threads: 1, ...keys },
  ]);
  const project = createProject(t, { 'math.mjs': module, 'ph.ini': iniText(Object.fromEntries(named)) });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const command = (...args: string[]) => runPh(t, args, { cwd: project.directory });
  return { project, ph, command };
}

function configure(project: Project, sections: Sections): void {
  project.write('ph.ini', iniText(sections));
}

const outputs = async (ph: Ph) => (await ph.exit).code;

test('nothing runs: each command exits with 3 and says where it looked', async t => {
  const project = createProject(t, { 'ph.ini': iniText({ math: { task: 'math.mjs', pidfile: 'run.pid' } }) });
  for (const args of [
    ['stop'],
    ['reload'],
    ['scale', 'math=2'],
    ['submit', 'math'],
    ['stack'],
    ['upgrade'],
    ['restart'],
  ]) {
    const { code, stdout, stderr } = await runPh(t, args, { cwd: project.directory });
    assert.deepEqual([args[0], code, stdout], [args[0], 3, '']);
    const places = ['run.pid.sock', '.ph.sock'].map(project.path).join(', ');
    assert.equal(stderr, `ph: no supervisor is running (looked for ${places})\n`);
  }
});

test('ph stop returns when the supervisor is gone, and with a section only that one ends, over a reload, too', async t => {
  const { ph, command, project } = await setUp(t, { math: {}, other: {} });
  assert.deepEqual(await command('stop', 'other'), {
    code: 0,
    signal: null,
    stdout: 'stopped other\n',
    stderr: '',
  });
  assert.equal((await command('stop', 'other')).stdout, 'other was stopped already\n');
  assert.equal((await command('reload')).stdout, 'math: replaced, generation 2 serves with 1 worker\n');
  const { sections } = await connect(project.path('.ph.sock')).status();
  assert.deepEqual(
    sections.map(({ name, state }) => [name, state]),
    [
      ['math', 'running'],
      ['other', 'stopped'],
    ],
  );
  const submitted = await command('submit', 'other', '3', '--name', 'square');
  assert.deepEqual(
    [submitted.code, submitted.stderr],
    [1, 'ph: [other] has no worker: it was stopped; `ph restart other` starts it\n'],
  );
  assert.match((await command('restart', 'other')).stdout, /^other: restarted, .* serves with 1 worker\n$/);
  assert.equal((await command('stop', 'math')).stdout, 'stopped math\n');
  assert.equal((await command('stop', 'other')).stdout, 'stopped other\n');
  assert.equal(isAlive(ph.pid), false);
  assert.equal(await outputs(ph), 0);
});

test('ph stop of everything returns, also where nobody takes notice of the end of the supervisor', async t => {
  const project = createProject(t, { 'math.mjs': module, 'ph.ini': iniText({ math: { task: 'math.mjs' } }) });
  const launcher = ['bash', '-c', '"$@" & exec sleep 60', 'bash'];
  const ph = startPh(t, ['run'], { cwd: project.directory, launcher });
  await ph.ready();
  const { supervisor } = await connect(project.path('.ph.sock')).status();
  const { code, stdout } = await runPh(t, ['stop'], { cwd: project.directory });
  assert.deepEqual([code, stdout], [0, `stopped supervisor ${supervisor.pid}\n`]);
});

test('ph stop --timeout gives up the wait, not the stop; a second one waits for the same end', async t => {
  const { ph, command, project } = await setUp(t, { math: { graceful_timeout: '20' } });
  const client = connect(project.path('.ph.sock'));
  const task = client.submit({ section: 'math', name: 'slow', payload: project.path('go') });
  while ((await client.status()).sections[0]?.processes[0]?.running.length !== 1) await delay(20);
  const first = await command('stop', '--timeout', '100ms');
  assert.deepEqual([first.code, first.stderr], [1, 'ph: stop is not done after 0.1 s; it goes on\n']);
  const second = command('stop');
  project.write('go', '');
  assert.ok([0, 3].includes((await second).code as number));
  assert.equal((await task).result, 'done');
  assert.equal(await outputs(ph), 0);
});

test('ph restart: the old worker is gone before the new one starts, with the environment as it is now', async t => {
  const { ph, command, project } = await setUp(t, { math: { environment: 'COLOUR=red' } });
  const before = ph.workers;
  configure(project, { math: { task: 'math.mjs', threads: 1, environment: 'COLOUR=blue' } });
  assert.equal((await command('restart')).stdout, 'math: restarted, generation 2 serves with 1 worker\n');
  const [pid] = ph.workers as [number];
  assert.ok(!before.includes(pid));
  assert.match(readFileSync(`/proc/${pid}/environ`, 'utf8'), /COLOUR=blue/);
  const order = ph.records.flatMap(({ msg }) => /(drained|ready after)/.exec(msg)?.[1] ?? []);
  assert.deepEqual(order, ['ready after', 'drained', 'ready after']);
  project.write('math.mjs', 'throw new RangeError("out of order")');
  const failed = await command('restart');
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^ph: \[math\] RangeError: out of order\n.*math\.mjs:1/s);
});

test('ph reload of broken code exits with 1 and its error; of a broken file with 2 and its line; all still serves', async t => {
  const { command, project } = await setUp(t);
  project.write('math.mjs', 'export default 1 1');
  const code = await command('reload');
  assert.equal(code.code, 1);
  assert.match(code.stderr, /^ph: \[math\] SyntaxError: .*\n.*math\.mjs:1\n/);
  assert.equal((await command('reload', '--dry-run')).code, 1);
  configure(project, { math: { task: 'math.mjs', number_workers: 'many' } });
  const file = await command('reload');
  assert.deepEqual([file.code, file.stdout], [2, '']);
  assert.match(file.stderr, /ph\.ini:3: \[math\] number_workers: /);
  assert.equal((await command('submit', 'math', '7', '--name', 'square')).stdout, '49\n');
});

test('ph reload SECTION reads that one anew; --dry-run says what would change', async t => {
  const { command, project } = await setUp(t, { math: {}, other: {} });
  const next = { task: 'math.mjs', threads: 1, number_workers: 2 };
  configure(project, { math: next, other: next, third: next });
  const plan = await command('reload', '--dry-run');
  assert.equal(plan.code, 0);
  assert.equal(
    plan.stdout,
    'third: would be added\nmath: number_workers = (not set) -> 2\nother: number_workers = (not set) -> 2\n',
  );
  assert.equal(
    (await command('reload', 'math')).stdout,
    'math: replaced, generation 2 serves with 2 workers\n',
  );
  const { sections } = await connect(project.path('.ph.sock')).status();
  assert.deepEqual(
    sections.map(({ name, generation, workers }) => [name, generation, workers.ready]),
    [
      ['math', 2, 2],
      ['other', 1, 1],
    ],
  );
  const unknown = await command('reload', 'nope');
  assert.deepEqual(
    [unknown.code, unknown.stderr],
    [2, 'ph: no section is named "nope"; there are: math, other, third\n'],
  );
});

test('ph scale: more, fewer, a number; never below 1; several at once', async t => {
  const { ph, command } = await setUp(t, { math: {}, other: {} });
  assert.equal(
    (await command('scale', 'math=+1', 'other=2')).stdout,
    'math: 1 -> 2 workers\nother: 1 -> 2 workers\n',
  );
  assert.equal(ph.workers.length, 4);
  assert.equal((await command('scale', 'math=-1')).stdout, 'math: 2 -> 1 workers\n');
  assert.equal(ph.workers.length, 3);
  const none = await command('scale', 'math=0');
  assert.equal(none.code, 2);
  assert.match(
    none.stderr,
    /^ph: \[math\] has 1 workers, and 1 is the least: `ph stop math` ends them all\n$/,
  );
  assert.equal((await command('scale', 'math')).code, 2);
});

test('ph submit: the result on stdout, the task’s error on stderr, mistakes with exit code 2', async t => {
  const { project, command } = await setUp(t);
  assert.deepEqual(await command('submit', 'math', '12', '--name', 'square'), {
    code: 0,
    signal: null,
    stdout: '144\n',
    stderr: '',
  });
  const launcher = ['bash', '-c', 'echo 13 | "$@"', 'bash'];
  const fromStdin = ['submit', 'math', '-', '--name', 'square'];
  const piped = await runPh(t, fromStdin, { cwd: project.directory, launcher });
  assert.equal(piped.stdout, '169\n');
  const failed = await command('submit', 'math', '--name', 'fail');
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^ph: too much\n.*RangeError: too much\n +at fail .*math\.mjs:4/s);
  const late = await command('submit', 'math', '"never"', '--name', 'slow', '--timeout', '100ms');
  assert.deepEqual([late.code, late.stderr], [1, 'ph: task slow ran longer than 100 ms\n']);
  assert.equal((await command('submit', 'math', '{x}')).code, 2);
  assert.equal((await command('submit')).code, 2);
});

test('ph stack shows the tasks of a thread that hangs, with their age', async t => {
  const { project, command } = await setUp(t);
  const args = ['submit', 'math', JSON.stringify(project.path('spins')), '--name', 'spin'];
  const spinning = startPh(t, args, { cwd: project.directory });
  await until('the task runs', () => existsSync(project.path('spins')));
  const client = connect(project.path('.ph.sock'));
  while ((await client.status()).sections[0]?.processes[0]?.running.length !== 1) await delay(20);
  const { code, stdout } = await command('stack', 'math#1');
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^math#1 \(pid \d+\)\n {2}main thread\n {4}.*\n {2}tasks\n {4}thread \d+: spin, for \d+\.\d s\n$/,
  );
  assert.equal((await command('stack', 'math#2')).code, 1);
  spinning.signal('SIGINT');
  await spinning.exit;
  while ((await client.status()).sections[0]?.processes[0]?.running.length !== 0) await delay(20);
});

test('several supervisors of one configuration: each can be steered, and none by mistake', async t => {
  const { ph, project, command } = await setUp(t);
  const second = startPh(t, ['run'], { cwd: project.directory });
  await second.ready();
  const unclear = await command('scale', 'math=2');
  assert.deepEqual(
    [unclear.code, unclear.stderr],
    [2, 'ph: supervisors 1, 2 are running: choose with --instance K, or --all\n'],
  );
  assert.equal((await command('scale', 'math=2', '--instance', '2')).code, 0);
  assert.deepEqual([ph.workers.length, second.workers.length], [1, 2]);
  const both = await command('scale', 'math=2', '--all');
  assert.deepEqual(both.stdout.split('\n').sort(), [
    '',
    'instance 1: math: 1 -> 2 workers',
    'instance 2: math: 2 -> 2 workers',
  ]);
  const failedTasks = await command('submit', 'math', '--name', 'fail', '--all');
  assert.equal(failedTasks.code, 1);
  for (const instance of [1, 2]) {
    assert.ok(failedTasks.stderr.includes(`ph: instance ${instance}: too much\n`), failedTasks.stderr);
  }
  const stacks = await command('stack', 'math#2', '--all');
  assert.deepEqual(stacks.stdout.match(/^instance \d: math#2 /gm)?.sort(), [
    'instance 1: math#2 ',
    'instance 2: math#2 ',
  ]);
  const plans = await command('reload', '--dry-run', '--all');
  assert.deepEqual(plans.stdout.match(/^instance \d: /gm)?.sort(), ['instance 1: ', 'instance 2: ']);
  project.write('math.mjs', 'throw new Error("not today")');
  const failed = await command('reload', '--all');
  assert.equal(failed.code, 1);
  for (const instance of [1, 2]) {
    assert.ok(failed.stderr.includes(`ph: instance ${instance}: [math] Error: not today\n`), failed.stderr);
  }
  assert.equal((await command('stop', '--instance', '3')).code, 3);
  assert.equal((await command('stop', '--all')).code, 0);
  assert.deepEqual([isAlive(ph.pid), isAlive(second.pid)], [false, false]);
});

test('ph upgrade returns when the new supervisor is in charge, or says why it is not', async t => {
  const { ph, project, command } = await setUp(t, { math: {}, other: {} });
  assert.equal((await command('stop', 'other')).code, 0);
  const { code, stdout } = await command('upgrade');
  assert.equal(code, 0);
  const pid = Number(/^upgraded: pid (\d+) is in charge; pid \d+ finishes what it has\n$/.exec(stdout)?.[1]);
  assert.ok(isAlive(pid));
  await ph.ended;
  const { supervisor, sections } = await connect(project.path('.ph.sock')).status();
  assert.equal(supervisor.pid, pid);
  assert.deepEqual(
    sections.map(({ state }) => state),
    ['running', 'stopped'],
  );
  project.write('math.mjs', 'throw new Error("not today")');
  const failed = await command('upgrade');
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^ph: upgrade failed, everything stays as it was: .*not today/s);
  assert.equal((await command('stop')).stdout, `stopped supervisor ${pid}\n`);
});
