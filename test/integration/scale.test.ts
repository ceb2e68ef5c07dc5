import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon } from '../helpers/daemon.ts';
import { readRecords, untilLogged } from '../helpers/log-file.ts';
import { isReadyLine, type LogRecord, type Ph, startPh } from '../helpers/ph.ts';
import { childrenOf, isAlive, until } from '../helpers/processes.ts';
import { createProject, iniText, workerModule } from '../helpers/project.ts';

const app = { task: 'app.mjs', threads: 0 };
const isDrained = ({ exit }: LogRecord) => exit === 'drained';

async function start(
  t: TestContext,
  keys: Readonly<Record<string, string | number>> = {},
  module = workerModule(),
) {
  const project = createProject(t, { 'app.mjs': module, 'ph.ini': iniText({ app: { ...app, ...keys } }) });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const workers = await ph.ready();
  return { ph, workers, project };
}

/** Resolves when so many workers are left, all of which have become ready after that record. */
function untilReplaced(ph: Ph, count: number, from: number): Promise<void> {
  return until(`${count} workers are left, all new`, () => {
    const live = ph.workers;
    const fresh = ph.records.slice(from).filter(isReadyLine);
    return live.length === count && live.every(pid => fresh.some(({ workerPid }) => workerPid === pid));
  });
}

test('S31 TTIN adds a worker, TTOU takes one away, but never the last', async t => {
  const { ph, workers } = await start(t);
  let mark = ph.records.length;
  ph.signal('SIGTTIN');
  assert.equal((await ph.nextReady(mark)).index, 2);
  assert.equal(ph.workers.length, 2);

  mark = ph.records.length;
  ph.signal('SIGTTOU');
  assert.equal((await ph.log(isDrained, mark)).index, 2);
  for (let i = 0; i < 3; i++) {
    mark = ph.records.length;
    ph.signal('SIGTTOU');
    await ph.log('scaling to 1 worker', mark);
  }
  assert.deepEqual(ph.workers, [...workers.values()]);

  mark = ph.records.length;
  ph.signal('SIGTTIN');
  assert.equal((await ph.nextReady(mark)).index, 2, 'the floor is not a debt to pay back');
});

test('S31 WINCH means nothing to a supervisor in the foreground', async t => {
  const { ph, workers } = await start(t);
  ph.signal('SIGWINCH');
  ph.signal('SIGTTIN');
  const { pid } = await ph.nextReady(ph.records.length - 1);
  assert.deepEqual(new Set(ph.workers), new Set([...workers.values(), pid]));
});

test('S31 WINCH drains all workers of a daemon and keeps the master; TTIN and HUP bring workers back', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'ph.ini': iniText({ app: { ...app, number_workers: 2, log_file: 'ph.log' } }),
  });
  const log = project.path('ph.log');
  const pid = await startDaemon(t, project);
  assert.equal(childrenOf(pid).length, 2);
  const drained = () => readRecords(log).filter(isDrained).length;
  const signal = (name: NodeJS.Signals) => process.kill(pid, name);

  signal('SIGWINCH');
  await until('both workers have drained', () => drained() === 2);
  assert.ok(isAlive(pid));
  signal('SIGTTOU');
  await untilLogged(log, /scaling to 0 workers/);
  assert.deepEqual(childrenOf(pid), []);
  signal('SIGTTIN');
  await until('one worker is back', () => readRecords(log).filter(isReadyLine).length === 3);

  signal('SIGWINCH');
  await until('it has drained', () => drained() === 3);
  signal('SIGHUP');
  await until('both workers are back', () => readRecords(log).filter(isReadyLine).length === 5);
  assert.equal(childrenOf(pid).length, 2);

  signal('SIGWINCH');
  await until('both workers have drained', () => drained() === 5);
  signal('SIGTERM');
  await until('the daemon has stopped', () => !isAlive(pid));
  assert.equal(readRecords(log).at(-1)?.msg, 'stopped');
});

test('S32 shrinking takes the idle worker and keeps the busy one; indexes that are free are used again', async t => {
  // Heartbeats tell who is busy: this time-out makes one come every 400 ms.
  const { ph, workers, project } = await start(
    t,
    { number_workers: 2, threads: 1, timeout: '2s' },
    workerModule(
      `handleRequest() { return this.index === 2 ? this.pool.run(undefined, { name: 'busy' }) : this.sleep(20); }`,
      `import { existsSync } from 'node:fs';
       import { setTimeout as delay } from 'node:timers/promises';
       export async function busy() { console.log('busy'); while (!existsSync('release')) await delay(10); }`,
    ),
  );
  await ph.log('busy');
  await delay(1000);
  let mark = ph.records.length;
  ph.signal('SIGTTOU');
  const { index, workerPid } = await ph.log(isDrained, mark);
  assert.deepEqual([index, workerPid], [1, workers.get(1)]);
  assert.deepEqual(ph.workers, [workers.get(2)]);

  for (const expected of [1, 3]) {
    mark = ph.records.length;
    ph.signal('SIGTTIN');
    assert.equal((await ph.nextReady(mark)).index, expected);
  }
  project.write('release', '');
  assert.equal((await ph.stop()).code, 0);
});

test('S32 a scale while a reload boots its first worker counts on top of the new configuration', async t => {
  const { ph, project } = await start(t);
  const slow = workerModule(
    `async setup() { console.log('slow'); while (!existsSync('go')) await delay(10); }`,
    `import { existsSync } from 'node:fs';\nimport { setTimeout as delay } from 'node:timers/promises';`,
  );
  project.write('app.mjs', slow);
  project.write('ph.ini', iniText({ app: { ...app, number_workers: 2 } }));
  ph.signal('SIGHUP');
  await ph.log('slow');
  const mark = ph.records.length;
  ph.signal('SIGTTIN');
  await ph.log('scaling', mark);
  project.write('go', '');
  await untilReplaced(ph, 3, mark);
});

test('S32 a scale while a reload replaces one worker after the other ends in the right number', async t => {
  const { ph } = await start(t, { number_workers: 3 });
  for (const [signal, expected] of [
    ['SIGTTIN', 4],
    ['SIGTTOU', 2],
  ] as const) {
    const mark = ph.records.length;
    ph.signal('SIGHUP');
    await ph.nextReady(mark);
    ph.signal(signal);
    await untilReplaced(ph, expected, mark);
  }
  assert.equal((await ph.stop()).code, 0);
});

test('S32 TTOU takes a worker that still boots rather than one that serves', async t => {
  const { ph, workers, project } = await start(t);
  project.write(
    'app.mjs',
    workerModule(`setup() { console.log('slow'); return new Promise(done => setTimeout(done, 60_000)); }`),
  );
  ph.signal('SIGTTIN');
  await ph.log('slow');
  ph.signal('SIGTTOU');
  await until('the first worker is alone again', () => ph.workers.length === 1);
  assert.deepEqual(ph.workers, [...workers.values()]);
  assert.ok(!ph.records.some(({ level }) => level >= 40));
});
