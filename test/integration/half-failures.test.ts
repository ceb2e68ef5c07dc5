import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { runPh, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

const throws = "throw new Error('not here');\n";
const serves = 'export const f = () => 1;\n';

test('restart = never: sections none of which can boot end ph with 5, not with a success', async t => {
  const ini = '[DEFAULT]\nrestart = never\nthreads = 0\n[a]\ntask = a.mjs\n[b]\ntask = b.mjs\n';
  const project = createProject(t, { 'a.mjs': throws, 'b.mjs': throws, 'ph.ini': ini });
  const { code, stderr } = await runPh(t, ['run'], { cwd: project.directory });
  assert.equal(code, 5);
  assert.match(stderr, /no worker could boot: (a, b|b, a)\n/);
});

test('a start ends also where one worker of two can boot, and says so', async t => {
  const half = `
    import { Worker } from 'processhandler';
    export default class Half extends Worker {
      setup() { if (this.index === 2) throw new Error('only one of us'); }
    }`;
  const project = createProject(t, { 'half.mjs': half });
  const args = ['run', 'half.mjs', '-w', '2', '-t', '0', '--set', 'restart_delay=30'];
  const ph = startPh(t, args, { cwd: project.directory });
  await ph.log('started, but workers could not boot: half');
  assert.equal((await ph.stop()).code, 0);
});

test('a reload is not carried out where its first worker has ended before the other sections were ready', async t => {
  const slow = "import 'processhandler';\nawait new Promise(resolve => setTimeout(resolve, 1000));\n";
  const ini = '[DEFAULT]\nthreads = 0\n[a]\ntask = a.mjs\n[b]\ntask = b.mjs\n';
  const project = createProject(t, { 'a.mjs': serves, 'b.mjs': serves, 'ph.ini': ini });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const from = ph.records.length;
  project.write('a.mjs', `${serves}setTimeout(() => process.exit(7), 200);\n`);
  project.write('b.mjs', `${slow}${serves}`);
  ph.signal('SIGHUP');
  const failed = await ph.log('reload failed, everything stays as it was', from);
  assert.match(failed.msg, /\[a\] exited with code 7/);
  const drained = ph.records.slice(from).filter(({ exit }) => exit === 'drained');
  assert.deepEqual(drained, [], 'both old workers serve on');
});

test('restart = never: a replacement that cannot boot is not tried in a tight loop', async t => {
  const once = `
    import { existsSync, writeFileSync } from 'node:fs';
    const mark = new URL('./booted', import.meta.url);
    if (existsSync(mark)) throw new Error('once only');
    writeFileSync(mark, '');
    export const f = () => 1;`;
  const project = createProject(t, { 'once.mjs': once });
  const set = (pair: string) => ['--set', pair];
  const limits = [...set('restart=never'), ...set('max_lifetime=300ms'), ...set('restart_delay_max=60')];
  const ph = startPh(t, ['run', 'once.mjs', '-t', '0', ...limits], { cwd: project.directory });
  const { msg } = await ph.log('could not boot');
  assert.match(msg, /the worker that serves stays$/);
  const from = ph.records.length;
  const [worker] = ph.workers;
  await assert.rejects(until('another one is started', () => ph.workers.length > 1, 1000));
  assert.deepEqual([ph.workers, ph.records.slice(from)], [[worker], []]);
});

test('a process that the system refuses to start fails alone: the other section serves on', async t => {
  // Longer than the kernel lets one variable be; spawn() throws that, where other errors are events.
  const ini = `[DEFAULT]\nthreads = 0\n[good]\ntask = a.mjs\n[bad]\ntask = a.mjs\nenvironment = A=${'x'.repeat(140_000)}\n`;
  const project = createProject(t, { 'a.mjs': serves, 'ph.ini': ini });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  await ph.log(({ section, msg }) => section === 'bad' && msg.includes('could not be started: spawn E2BIG'));
  // At each further try there is a process for a moment that cannot become a worker.
  await until('only the other section has a worker', () => ph.workers.length === 1);
  assert.equal((await ph.stop()).code, 0);
});

test('a base_path that has vanished is named', async t => {
  const project = createProject(t, { 'a.mjs': serves });
  const home = project.path('home');
  mkdirSync(home);
  const args = ['run', 'a.mjs', '-t', '0', '--set', `base_path=${home}`];
  const ph = startPh(t, args, { cwd: project.directory });
  const workers = await ph.ready();
  rmSync(home, { recursive: true });
  process.kill(workers.get(1) as number, 'SIGKILL');
  await ph.log(`base_path ${home} does not exist`);
});

test('a pidfile whose directory is gone is told once', async t => {
  const project = createProject(t, { 'a.mjs': serves });
  mkdirSync(project.path('run'));
  const args = ['run', 'a.mjs', '-t', '0', '--set', 'pidfile=run/ph.pid'];
  const ph = startPh(t, args, { cwd: project.directory });
  await ph.ready();
  rmSync(project.path('run'), { recursive: true });
  await ph.log('removed, and cannot be written again');
  mkdirSync(project.path('run'));
  await ph.log('was removed; written again');
  const told = ph.records.filter(({ msg }) => msg.includes('cannot be written again'));
  assert.equal(told.length, 1);
});

test('what this.signal aborts is drained, not crashed: stop() is called, the exit is clean', async t => {
  const job = `
    import { SyncWorker } from 'processhandler';
    export const wait = () => new Promise(resolve => setTimeout(resolve, 60_000));
    export default class Job extends SyncWorker {
      async handleRequest() {
        this.logger.info('waiting');
        await this.pool.run(undefined, { name: 'wait', signal: this.signal });
      }
      stop() { this.logger.info('stop() was called'); }
    }`;
  const project = createProject(t, { 'job.mjs': job });
  const ph = startPh(t, ['run', 'job.mjs', '-t', '1'], { cwd: project.directory });
  await ph.log('waiting');
  assert.equal((await ph.stop()).code, 0);
  assert.ok(ph.records.some(({ msg }) => msg === 'stop() was called'));
  assert.deepEqual(
    ph.records.filter(({ level }) => level > 30),
    [],
  );
});

test('a task that ended in time is not timed out because the main thread was busy', async t => {
  const job = `
    import { SyncWorker } from 'processhandler';
    export const quick = () => new Promise(resolve => setTimeout(resolve, 100, 'done'));
    export default class Job extends SyncWorker {
      async handleRequest() {
        const result = this.pool.run(undefined, { name: 'quick' });
        const begun = performance.now();
        while (performance.now() - begun < 700);
        this.logger.info(await result);
      }
    }`;
  const project = createProject(t, { 'job.mjs': job });
  const args = ['run', 'job.mjs', '-t', '1', '--set', 'task_timeout=400ms'];
  const ph = startPh(t, args, { cwd: project.directory });
  await ph.logs('done', 2);
  assert.deepEqual(
    ph.records.filter(({ level }) => level > 30),
    [],
  );
});

test('a start that hangs is mended by a reload: the new worker counts as the first one', async t => {
  const project = createProject(t, { 'job.mjs': 'await new Promise(() => setInterval(() => {}, 1000));\n' });
  const ph = startPh(t, ['run', 'job.mjs', '-t', '0'], { cwd: project.directory });
  await until('its worker boots', () => ph.workers.length === 1);
  project.write('job.mjs', serves);
  ph.signal('SIGHUP');
  await ph.log('all workers ready');
  assert.equal((await ph.stop()).code, 0);
});
