import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Ph, startPh } from '../helpers/ph.ts';
import { isAlive, processesIn, until } from '../helpers/processes.ts';
import { createProject, iniText, workerModule } from '../helpers/project.ts';

const nothingLeft = 'no process is left in the project';

async function start(t: TestContext, module: string, keys: Readonly<Record<string, string | number>> = {}) {
  const config = { task: 'app.mjs', threads: 0, pidfile: 'ph.pid', ...keys };
  const project = createProject(t, { 'app.mjs': module, 'ph.ini': iniText({ app: config }) });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const workers = await ph.ready();
  return { ph, workers, project };
}

/** Not even as a zombie: who does not reap its children leaves the work to init. */
function isReaped(pid: number): boolean {
  return !existsSync(`/proc/${pid}`);
}

function count(ph: Ph, message: string): number {
  return ph.records.filter(({ msg }) => msg === message).length;
}

test('S04 S05 TERM, INT and QUIT end everything with exit code 0 and leave nothing', async t => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
    const module = workerModule(
      `initProcess() { spawn('sleep', ['300'], { stdio: 'ignore' }); }`,
      `import { spawn } from 'node:child_process';`,
    );
    const { ph, workers, project } = await start(t, module, { number_workers: 2 });
    assert.ok(existsSync(project.path('ph.pid')));

    ph.signal(signal);
    const exit = await ph.exit;
    assert.deepEqual(
      { code: exit.code, signal: exit.signal, stdout: exit.stdout },
      { code: 0, signal: null, stdout: '' },
    );
    for (const pid of workers.values()) assert.ok(isReaped(pid), `worker ${pid} after ${signal}`);
    assert.ok(!existsSync(project.path('ph.pid')), `pidfile after ${signal}`);
    await until(nothingLeft, () => processesIn(project.directory).length === 0);
    await ph.log(`stopping: ${signal}`);
    assert.equal(ph.records.at(-1)?.msg, 'stopped');
  }
});

test('S05 a second INT ends at once what the first one waits for, with exit code 0', async t => {
  const module = workerModule('handleRequest() { return new Promise(() => {}); }');
  const { ph, workers } = await start(t, module, { graceful_timeout: '60s' });
  ph.signal('SIGINT');
  await ph.log('stopping: SIGINT');
  ph.signal('SIGINT');
  const { code } = await ph.exit;
  assert.equal(code, 0);
  for (const pid of workers.values()) assert.ok(isReaped(pid));
});

test('S06 a task that never ends is cut after graceful_timeout at a stop, and the log names it', async t => {
  const module = workerModule(
    `handleRequest() { return this.pool.run(undefined, { name: 'spin' }); }`,
    `export function spin() { console.log('spinning'); for (;;); }`,
  );
  const { ph, workers } = await start(t, module, { threads: 1, graceful_timeout: '300ms' });
  await ph.log('spinning');
  const { code } = await ph.stop();
  assert.equal(code, 0);
  const { running, level, msg } = await ph.log(/is cut off/);
  assert.equal(level, 40);
  assert.match(msg, /is cut off, in the middle of: spin$/);
  assert.deepEqual(
    (running as { name: string }[]).map(({ name }) => name),
    ['spin'],
  );
  const { exit } = await ph.log(/killed: still busy 0.3 s after it was asked to stop \(graceful_timeout\)/);
  assert.equal(exit, 'cut');
  for (const pid of workers.values()) assert.ok(isReaped(pid));
});

test('S06 a main thread stuck in handleRequest is cut after graceful_timeout at a stop', async t => {
  const module = workerModule(`handleRequest() { console.log('stuck'); for (;;); }`);
  const { ph } = await start(t, module, { graceful_timeout: '300ms' });
  await ph.log('stuck');
  assert.equal((await ph.stop()).code, 0);
  await ph.log(/is cut off, with no task in flight/);
});

test('S06 at a reload a stuck worker is cut as well, while its successor serves', async t => {
  const module = workerModule('handleRequest() { return new Promise(() => {}); }');
  const { ph, workers } = await start(t, module, { graceful_timeout: '300ms' });
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  const { pid } = await ph.nextReady(mark);
  const { workerPid } = await ph.log(({ exit }) => exit === 'cut');
  assert.equal(workerPid, workers.get(1));
  assert.ok(isAlive(pid));
  assert.ok(!ph.hasExited);
});

test('S07 TERM again and again is harmless: the work in hand is finished, and stop() is called once', async t => {
  const module = workerModule(
    `async handleRequest() { console.log('begun'); await new Promise(done => setTimeout(done, 500)); console.log('finished'); }
     stop() { console.log('stop() called'); }`,
  );
  const { ph } = await start(t, module);
  await ph.log('begun');
  for (let i = 0; i < 5; i++) ph.signal('SIGTERM');
  await ph.log('stopping');
  ph.signal('SIGTERM');
  const { code } = await ph.exit;
  assert.equal(code, 0);
  assert.equal(count(ph, 'begun'), count(ph, 'finished'));
  assert.equal(count(ph, 'stop() called'), 1);
  assert.equal(count(ph, 'stopping: SIGTERM'), 1);
});

test('S07 QUIT after TERM ends at once', async t => {
  const module = workerModule('handleRequest() { return new Promise(() => {}); }');
  const { ph, workers } = await start(t, module, { graceful_timeout: '60s' });
  ph.signal('SIGTERM');
  await ph.log('stopping');
  ph.signal('SIGQUIT');
  assert.equal((await ph.exit).code, 0);
  for (const pid of workers.values()) assert.ok(isReaped(pid));
});

test('stop_signal is what the worker gets, and it drains on it', async t => {
  const module = workerModule(
    `setup() { for (const name of ['SIGUSR2', 'SIGTERM']) process.on(name, () => console.log('got ' + name)); }
     stop() { console.log('stop() called'); }`,
  );
  const { ph } = await start(t, module, { stop_signal: 'USR2' });
  assert.equal((await ph.stop()).code, 0);
  assert.equal(count(ph, 'got SIGUSR2'), 1);
  assert.equal(count(ph, 'got SIGTERM'), 0);
  assert.equal(count(ph, 'stop() called'), 1);
  await ph.log(({ exit }) => exit === 'drained');
});

test('workers ignore INT and HUP', async t => {
  const module = workerModule(`handleRequest() { console.log('round'); return this.sleep(50); }`);
  const { ph, workers } = await start(t, module);
  const pid = workers.get(1) as number;
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.kill(pid, signal);
  await ph.logs('round', 5, ph.records.length);
  assert.ok(isAlive(pid));
  const { code } = await ph.stop();
  assert.equal(code, 0);
  await ph.log(({ exit, workerPid }) => exit === 'drained' && workerPid === pid);
});

test('an error in stop() is logged with the stack of its author, and the supervisor ends well', async t => {
  const module = workerModule(`stop() { throw new TypeError('no way out'); }`);
  const { ph } = await start(t, module);
  assert.equal((await ph.stop()).code, 0);
  const { level, err } = await ph.log('the worker failed');
  assert.equal(level, 60);
  const { message, stack } = err as { message: string; stack: string };
  assert.equal(message, 'no way out');
  assert.match(stack, /app\.mjs:4/);
  assert.equal((await ph.log(/exited with code 1 while draining/)).level, 50);
});

test('a stop() that never ends is cut after graceful_timeout', async t => {
  const { ph } = await start(t, workerModule('stop() { return new Promise(() => {}); }'), {
    graceful_timeout: '300ms',
  });
  assert.equal((await ph.stop()).code, 0);
  await ph.log(({ exit }) => exit === 'cut');
});
