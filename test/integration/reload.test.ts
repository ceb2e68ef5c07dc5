import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { isReadyLine, type LogRecord, type Ph, startPh } from '../helpers/ph.ts';
import { isAlive, titleOf, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

type Sections = Parameters<typeof iniText>[0];

/** Prints what it was started with, once. */
const reporting = workerModule(`setup() {
  const { A, B, C } = process.env;
  const { threads, logLevel, settings } = this.config;
  console.log('started ' + JSON.stringify({ A, B, C, threads, logLevel, own: settings.own, cwd: process.cwd() }));
  this.logger.debug('for debugging');
}`);

async function start(t: TestContext, sections: Sections, files: Record<string, string> = {}) {
  const project = createProject(t, { 'app.mjs': reporting, 'ph.ini': iniText(sections), ...files });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const workers = await ph.ready();
  return { ph, workers, project };
}

const app = { task: 'app.mjs', threads: 0 };

/** HUP, and the record from which on its consequences are found. */
function reload(ph: Ph): number {
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  return mark;
}

async function reloadWith(ph: Ph, project: Project, sections: Sections): Promise<number> {
  project.write('ph.ini', iniText(sections));
  return reload(ph);
}

const isDrained = ({ exit }: LogRecord) => exit === 'drained';

async function report(ph: Ph, from: number): Promise<Record<string, unknown>> {
  const { msg } = await ph.log(/^started /, from);
  return JSON.parse(msg.slice('started '.length));
}

test('a reload replaces the workers one at a time, each ready before the one it replaces drains', async t => {
  const { ph, workers } = await start(t, { app: { ...app, number_workers: 3 } });
  const mark = reload(ph);
  await ph.logs(isDrained, 3, mark);

  const steps = ph.records.slice(mark);
  let serving = 3;
  let previousReady = 0;
  const boots = steps.flatMap(({ msg, pid }, at) => (msg.startsWith('started ') ? [{ pid, at }] : []));
  for (const { pid, at } of boots) {
    assert.ok(at > previousReady, 'a boot begins when the last one has ended');
    previousReady = steps.findIndex(record => isReadyLine(record) && record.workerPid === pid);
  }
  for (const record of steps) {
    if (isReadyLine(record)) serving++;
    if (isDrained(record)) serving--;
    assert.ok(serving >= 3, 'never fewer than before');
  }
  const next = new Map(steps.filter(isReadyLine).map(({ index, workerPid }) => [index, workerPid]));
  assert.deepEqual([...next.keys()].sort(), [1, 2, 3], 'the indexes stay');
  assert.ok(steps.filter(isReadyLine).every(({ generation }) => generation === 2));
  for (const pid of workers.values()) assert.ok(!isAlive(pid));
  assert.deepEqual(new Set(ph.workers), new Set(next.values()));
  assert.equal((await ph.stop()).code, 0);
});

test('a reload changes the number of workers, up and down', async t => {
  const { ph, project } = await start(t, { app });
  let mark = await reloadWith(ph, project, { app: { ...app, number_workers: 3 } });
  await ph.logs(isReadyLine, 3, mark);
  await ph.log(isDrained, mark);
  assert.equal(ph.workers.length, 3);

  mark = await reloadWith(ph, project, { app: { ...app, number_workers: 2 } });
  await ph.logs(isReadyLine, 2, mark);
  await ph.logs(isDrained, 3, mark);
  assert.equal(ph.workers.length, 2);
});

test('S24 a reload reads environment and env_file anew; what they no longer set is gone', async t => {
  const { ph, project } = await start(
    t,
    { app: { ...app, environment: 'A=1,B=2', env_file: 'app.env' } },
    { 'app.env': 'C=3\nA=0\n' },
  );
  const before = await report(ph, 0);
  assert.deepEqual([before.A, before.B, before.C], ['1', '2', '3']);
  project.write('app.env', 'A=0\n');
  const mark = await reloadWith(ph, project, { app: { ...app, environment: 'B=4', env_file: 'app.env' } });
  const { A, B, C } = await report(ph, mark);
  assert.deepEqual({ A, B, C }, { A: '0', B: '4', C: undefined });
});

test('a reload changes threads, log_level and own keys', async t => {
  const { ph, project } = await start(t, { app: { ...app, own: 'one' } });
  assert.ok(!ph.records.some(({ msg }) => msg === 'for debugging'));
  const mark = await reloadWith(ph, project, { app: { ...app, threads: 2, log_level: 'debug', own: 'two' } });
  const { threads, logLevel, own } = await report(ph, mark);
  assert.deepEqual({ threads, logLevel, own }, { threads: 2, logLevel: 'debug', own: 'two' });
  await ph.log('for debugging', mark);
});

test('a reload loads the changed code of a task module, on the main thread and on the threads', async t => {
  const version = (n: number) =>
    workerModule(
      `async handleRequest() { this.logger.info('main ${n}, thread ' + (await this.pool.run(undefined, { name: 'version' }))); await this.sleep(20); }`,
      `export const version = () => ${n};`,
    );
  const { ph, project } = await start(t, { app: { ...app, threads: 1 } }, { 'app.mjs': version(1) });
  await ph.log('main 1, thread 1');
  project.write('app.mjs', version(2));
  reload(ph);
  await ph.log('main 2, thread 2');
});

test('a reload starts a new section, stops one that was removed, and leaves no trace of it', async t => {
  const { ph, workers, project } = await start(t, { old: { ...app, pidfile: 'old.pid' } });
  const mark = await reloadWith(ph, project, { new: { ...app, task: 'other.mjs' } });
  assert.match(
    (await ph.log('reload failed', mark)).msg,
    /ph\.ini:2: \[new\] task: the task module .*other\.mjs does not exist/,
  );

  project.write('other.mjs', reporting);
  const retry = reload(ph);
  const ready = await ph.log(isReadyLine, retry);
  assert.equal(ready.section, 'new');
  assert.equal((await ph.log(isDrained, retry)).section, 'old');
  assert.ok(!isAlive(workers.get(1) as number));
  assert.deepEqual(ph.workers, [ready.workerPid]);
  assert.equal(titleOf(ph.pid), 'ph: master [new]');
  await until('the pidfile of the removed section is gone', () => !existsSync(project.path('old.pid')));
  assert.equal((await ph.stop()).code, 0);
});

test('a reload gives a section another task module', async t => {
  const { ph, project } = await start(t, { app });
  project.write('other.mjs', workerModule(`setup() { console.log('the other module'); }`));
  const mark = await reloadWith(ph, project, { app: { ...app, task: 'other.mjs' } });
  await ph.log('the other module', mark);
  await ph.log(isDrained, mark);
});

test('S25 relative paths count from the directory of ph.ini, at the start and after a reload', async t => {
  const keys = { task: '../app.mjs', threads: 0, base_path: 'work', env_file: 'app.env', log_file: 'ph.log' };
  const project = createProject(t, {
    'app.mjs': reporting,
    'etc/ph.ini': iniText({ app: keys }),
    'etc/app.env': 'A=1\n',
    'etc/work/.keep': '',
    'else/where/.keep': '',
  });
  const ph = startPh(t, ['run', '-c', '../../etc/ph.ini', '--set', 'log_file=stderr'], {
    cwd: project.path('else/where'),
  });
  await ph.ready();
  const before = await report(ph, 0);
  assert.equal(before.cwd, project.path('etc/work'));
  assert.equal(before.A, '1');
  const after = await report(ph, reload(ph));
  assert.deepEqual(after, before);
});

test('a reload recovers a section that has failed', async t => {
  const limits = { max_restarts: 1, restart_delay: '10ms', restart_delay_max: '60s' };
  const { ph, project } = await start(
    t,
    { app, broken: { ...app, ...limits, task: 'broken.mjs' } },
    { 'broken.mjs': `throw new Error('not yet');` },
  );
  await ph.log(({ msg, section }) => section === 'broken' && /restarting in \d\d/.test(msg));
  project.write('broken.mjs', reporting);
  const mark = reload(ph);
  await ph.log(record => isReadyLine(record) && record.section === 'broken', mark);
  await ph.log(record => isDrained(record) && record.section === 'app', mark);
  assert.equal(ph.workers.length, 2);
});

test('a reload starts the workers again of a section that had ended for good (restart = never)', async t => {
  const once = workerModule(
    `handleRequest() { return existsSync('go-on') ? this.sleep(50) : process.exit(0); }`,
    `import { existsSync } from 'node:fs';`,
  );
  const sections = { app, once: { ...app, task: 'once.mjs', restart: 'never' } };
  const { ph, project } = await start(t, sections, { 'once.mjs': once });
  await ph.log(({ section, exit }) => section === 'once' && exit === 'clean');

  project.write('go-on', '');
  for (let round = 0; round < 2; round++) {
    const mark = reload(ph);
    await ph.log(record => isReadyLine(record) && record.section === 'once', mark);
    await ph.logs(isDrained, round === 0 ? 1 : 2, mark);
    assert.equal(ph.workers.length, 2);
  }
  assert.equal((await ph.stop()).code, 0);
});
