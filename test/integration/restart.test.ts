import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { isReadyLine, type LogRecord, startPh } from '../helpers/ph.ts';
import { cpuTimeOf, isAlive } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

const isEnd = ({ exit }: LogRecord) => exit !== undefined;

test('the first failure is restarted at once, at its index; the next one after a delay', async t => {
  const project = createProject(t, { 'serve.mjs': 'export const task = () => 1;' });
  const args = ['run', 'serve.mjs', '-w', '2', '-t', '0', '--set', 'restart_delay=300ms'];
  const ph = startPh(t, args, { cwd: project.directory });
  const workers = await ph.ready();
  let victim = workers.get(2) as number;

  for (const next of [/; restarting$/, /; restarting in 0\.[234] s \(2 times in a row\)$/]) {
    const before = ph.records.length;
    process.kill(victim, 'SIGKILL');
    assert.match((await ph.log(isEnd, before)).msg, next);
    const replacement = await ph.nextReady(before);
    assert.equal(replacement.index, 2);
    victim = replacement.pid;
  }
  assert.ok(isAlive(workers.get(1) as number));
});

test('S36 a group that keeps failing is `failed`, retried slowly, and recovers when the cause is gone', async t => {
  const project = createProject(t, {
    'fragile.mjs': `
import { existsSync } from 'node:fs';
import { Worker } from 'processhandler';
export default class Fragile extends Worker {
  setup() {
    this.logger.info('trying');
    if (existsSync('down')) throw new Error('the database is down');
  }
}`,
    'other.mjs': 'export const task = () => 1;',
    'ph.ini': `
[DEFAULT]
threads = 0
[fragile]
task = fragile.mjs
number_workers = 2
restart_delay = 10ms
restart_delay_max = 400ms
max_restarts = 3
[other]
task = other.mjs
`,
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const pids = new Map(ph.records.filter(isReadyLine).map(({ section, workerPid }) => [section, workerPid]));
  project.write('down', '');
  const before = ph.records.length;
  for (const pid of ph.workers) if (pid !== pids.get('other')) process.kill(pid, 'SIGKILL');

  const failed = await ph.log(/^failed:/, before);
  assert.equal(failed.section, 'fragile');
  assert.equal(
    failed.msg,
    'failed: more than 3 failures within 60 s (max_restarts, restart_window); trying again every 0.4 s ' +
      '(restart_delay_max); the last one: could not boot: Error: the database is down',
  );
  const tries = await ph.logs(({ msg, index }) => msg === 'trying' && index === 1, 3, ph.records.length);
  const times = tries.map(({ time }) => Number(time));
  for (const [n, time] of times.slice(1).entries()) {
    assert.ok(time - (times[n] as number) > 300, `a slow pace: ${times}`);
  }
  rmSync(project.path('down'));
  const from = ph.records.length;
  const recovered = await ph.logs(isReadyLine, 2, from);
  assert.deepEqual(recovered.map(({ index }) => index).sort(), [1, 2]);
  assert.ok(recovered.every(({ section }) => section === 'fragile'));
  assert.ok(isAlive(pids.get('other') as number));
});

test('restart = on-failure restarts a crash; ph ends by itself when all workers are done', async t => {
  const project = createProject(t, {
    'job.mjs': `
import { existsSync, writeFileSync } from 'node:fs';
import { Worker } from 'processhandler';
export default class Job extends Worker {
  run() {
    const mark = 'tried-' + this.index;
    if (existsSync(mark)) return;
    writeFileSync(mark, '');
    throw new Error('the first try fails');
  }
}`,
  });
  const args = ['run', 'job.mjs', '-w', '2', '-t', '0', '--set', 'restart=on-failure'];
  const ph = startPh(t, args, { cwd: project.directory });
  assert.equal((await ph.exit).code, 0);
  const ends = ph.records.filter(isEnd).map(({ index, exit }) => `${index} ${exit}`);
  assert.deepEqual(ends.sort(), ['1 clean', '1 crash', '2 clean', '2 crash']);
});

test('S37 S50 sections that crash in a loop flood no log, keep the supervisor idle and touch no other section', async t => {
  const loops = { boot: 'throw new Error("at boot");', run: 'setTimeout(() => process.exit(1), 20);' };
  const project = createProject(t, {
    'boot.mjs': loops.boot,
    'run.mjs': `${loops.run}\nexport const task = () => 1;`,
    'steady.mjs': 'export const task = () => 1;',
    'ph.ini': `
[DEFAULT]
threads = 0
restart_delay = 50ms
restart_delay_max = 200ms
max_restarts = 1000
[boot]
task = boot.mjs
[run]
task = run.mjs
[steady]
task = steady.mjs
`,
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const steady = ph.records.find(record => record.section === 'steady' && isReadyLine(record));
  const cpu = cpuTimeOf(ph.pid);
  const start = performance.now();
  const sixteenth = await Promise.all(
    ['boot', 'run'].map(section => ph.log(({ section: of, repeats }) => of === section && repeats === 16)),
  );
  const share = (cpuTimeOf(ph.pid) - cpu) / (performance.now() - start);
  assert.ok(share < 0.3, `the supervisor used ${Math.round(share * 100)} % of a core`);
  for (const { section } of sixteenth) {
    const told = ph.records.filter(record => record.section === section && isEnd(record));
    assert.ok(told.length <= 6, `1, 2, 4, 8, 16 and nothing in between: ${told.length}`);
  }

  const before = ph.records.length;
  ph.signal('SIGTTIN');
  const second = await ph.log(record => record.section === 'steady' && isReadyLine(record), before);
  assert.equal(second.index, 2, 'a signal is acted on meanwhile');
  assert.ok(isAlive(steady?.workerPid as number));
  assert.equal((await ph.stop()).code, 0);
});
