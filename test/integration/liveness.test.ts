import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type LogRecord, type Ph, runPh, startPh } from '../helpers/ph.ts';
import { isAlive } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

/** WINCH makes it hang; with `with_task` a task has begun on its thread before that. */
const hangs = `
import { Worker } from 'processhandler';

export const crunch = () => { for (;;); };

export default class Hangs extends Worker {
  initProcess() {
    const { with_task, ignore_abort, busy_ms = 'Infinity' } = this.config.settings;
    if (with_task) this.pool.run(0, { name: 'crunch' });
    if (ignore_abort) process.on('SIGABRT', () => {});
    process.on('SIGWINCH', () => spin(Number(busy_ms)));
  }
}

function spin(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
`;

const lineOfLoop = hangs.split('\n').findIndex(line => line.includes('while (')) + 1;

interface Started {
  readonly ph: Ph;
  /** By index, from 1. */
  readonly pids: readonly number[];
  readonly task: string;
}

async function startHangs(t: TestContext, keys: Readonly<Record<string, string | number>>): Promise<Started> {
  const project = createProject(t, { 'hangs.mjs': hangs });
  const settings = { threads: 0, restart_delay: '20ms', ...keys };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const ph = startPh(t, ['run', 'hangs.mjs', ...flags], { cwd: project.directory });
  const workers = await ph.ready();
  const pids = [...workers].sort(([a], [b]) => a - b).map(([, pid]) => pid);
  return { ph, pids, task: project.path('hangs.mjs') };
}

/** Ms between two lines of the log. */
const between = (earlier: LogRecord, later: LogRecord) => Number(later.time) - Number(earlier.time);

const isDump = ({ msg }: { msg: string }) => / hangs in /.test(msg);

test('S09 S12 a worker in an endless loop is dumped, aborted and replaced; the log names function, line and tasks', async t => {
  const { ph, pids, task } = await startHangs(t, { threads: 1, timeout: '400ms', with_task: 1 });
  const [pid = 0] = pids;
  // What a heartbeat has told is what the dump can show.
  await delay(200);
  const before = ph.records.length;
  process.kill(pid, 'SIGWINCH');

  const dump = await ph.log(isDump, before);
  const frame = `spin (${task}:${lineOfLoop}:`;
  assert.ok(
    dump.msg.startsWith(`worker 1 (pid ${pid}) hangs in ${frame}`) &&
      dump.msg.endsWith('silent for 0.4 s (timeout), aborting it'),
    dump.msg,
  );
  const stack = dump.stack as string[];
  assert.ok(stack.length > 1 && stack.some(line => line.startsWith(frame)), 'the whole stack');
  assert.equal((dump.running as { name: string }[])[0]?.name, 'crunch');

  const end = await ph.log(({ exit }) => exit !== undefined, before);
  assert.equal(end.exit, 'timeout');
  assert.match(end.msg, /killed: its main thread was silent for 0\.4 s \(timeout\); restarting$/);
  assert.ok(between(dump, end) < 900, 'ABRT was enough');
  const next = await ph.nextReady(before);
  assert.equal(next.index, 1);
  assert.ok(!isAlive(pid));
});

test('S12 a worker that ignores ABRT is killed a second later', async t => {
  const { ph, pids } = await startHangs(t, { timeout: '300ms', ignore_abort: 1 });
  const [pid = 0] = pids;
  process.kill(pid, 'SIGWINCH');
  const dump = await ph.log(isDump);
  const end = await ph.log(({ exit }) => exit !== undefined);
  assert.equal(end.exit, 'timeout');
  assert.ok(between(dump, end) >= 900, 'it had the time that ABRT gets');
  assert.ok(!isAlive(pid));
});

test('S09 a stopped worker gives no stack: it is killed and replaced all the same', async t => {
  const { ph, pids } = await startHangs(t, { timeout: '300ms' });
  const [pid = 0] = pids;
  const before = ph.records.length;
  process.kill(pid, 'SIGSTOP');
  const dump = await ph.log(isDump, before);
  assert.match(
    dump.msg,
    /hangs in code that is not JavaScript \(a native call, or the process is stopped\): silent for 0\.3 s/,
  );
  assert.equal((await ph.log(({ exit }) => exit !== undefined, before)).exit, 'timeout');
  assert.equal((await ph.nextReady(before)).index, 1);
  assert.ok(!isAlive(pid));
});

test('S11 a worker that was silent for a while only, and answers again, is left alone', async t => {
  const { ph, pids } = await startHangs(t, { timeout: '300ms' });
  const [pid = 0] = pids;
  for (let round = 1; round <= 3; round++) {
    const before = ph.records.length;
    process.kill(pid, 'SIGSTOP');
    await delay(700);
    process.kill(pid, 'SIGCONT');
    assert.equal(
      (await ph.log(/ silent/, before)).msg,
      `worker 1 (pid ${pid}) was silent, and answers again`,
    );
  }
  assert.deepEqual(ph.workers, [pid]);
});

test('S11 a main thread that is busy for less than timeout is nobody else’s business', async t => {
  const { ph, pids } = await startHangs(t, { timeout: '2s', busy_ms: 500 });
  const [pid = 0] = pids;
  const before = ph.records.length;
  process.kill(pid, 'SIGWINCH');
  await delay(800);
  assert.equal(ph.records.length, before);
  assert.deepEqual(ph.workers, [pid]);
});

test('timeout = 0 waits for ever', async t => {
  const { ph, pids } = await startHangs(t, { timeout: 0 });
  const [pid = 0] = pids;
  process.kill(pid, 'SIGWINCH');
  await delay(1500);
  assert.ok(!ph.records.some(isDump));
  assert.deepEqual(ph.workers, [pid]);
});

test('S10 a supervisor that was stopped for longer than timeout leaves healthy workers alone', async t => {
  const { ph, pids } = await startHangs(t, { timeout: '500ms', number_workers: 2 });
  for (let round = 1; round <= 2; round++) {
    ph.signal('SIGSTOP');
    await delay(1000);
    ph.signal('SIGCONT');
    await delay(600);
  }
  assert.ok(!ph.records.some(({ msg }) => msg.includes('silent')), ph.stderr);
  assert.deepEqual(ph.workers.sort(), [...pids].sort());
});

test('S10 a supervisor that was stopped still finds the worker that hangs', async t => {
  const { ph, pids } = await startHangs(t, { timeout: '300ms', number_workers: 2 });
  const [healthy = 0, hung = 0] = pids;
  ph.signal('SIGSTOP');
  process.kill(hung, 'SIGWINCH');
  await delay(900);
  const before = ph.records.length;
  ph.signal('SIGCONT');
  assert.equal((await ph.log(isDump, before)).workerPid, hung);
  assert.equal((await ph.nextReady(before)).index, 2);
  assert.ok(isAlive(healthy));
});

test('S08 a worker hung at boot is killed after boot_timeout; if none boots, ph ends with 5 and says why', async t => {
  const endings = {
    'import.mjs': 'for (;;);\n',
    'setup.mjs': neverReady('setup'),
    'init.mjs': neverReady('initProcess'),
  };
  const project = createProject(t, endings);
  await Promise.all(
    Object.keys(endings).map(async file => {
      const args = ['run', file, '-t', '0', '--set', 'boot_timeout=1s'];
      const { code, stderr } = await runPh(t, args, { cwd: project.directory });
      assert.equal(code, 5, stderr);
      assert.match(stderr, /^ph: no worker could boot: /m);
      assert.match(stderr, /killed: not ready within 1 s \(boot_timeout\)/);
    }),
  );
});

function neverReady(method: string): string {
  return `import { Worker } from 'processhandler';
export default class Never extends Worker { ${method}() { return new Promise(() => {}); } }`;
}
