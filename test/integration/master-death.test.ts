import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Ph, startPh } from '../helpers/ph.ts';
import { isAlive, until } from '../helpers/processes.ts';
import { createProject, type Project } from '../helpers/project.ts';

/** What each section is at when its master dies; the last line of each says that it is at it. */
const source = `
import { spawn } from 'node:child_process';
import { Worker } from 'processhandler';

export function crunch(name) { console.log(name + ' is at it'); for (;;); }

function spin() { for (;;); }

const work = {
  idle() { this.logger.info('idle is at it'); },
  thread() { this.pool.run('thread', { name: 'crunch' }); },
  main() { this.logger.info('main is at it'); setTimeout(spin, 20); },
  promises() { this.logger.info('promises is at it'); setTimeout(async () => { for (;;) await null; }, 20); },
  deaf() {
    process.removeAllListeners('disconnect');
    process.on('SIGTERM', () => {});
    this.logger.info('deaf is at it');
  },
  family() {
    const { pid, stdout } = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
    stdout.on('data', grandchild => this.logger.info({ family: [pid, Number(grandchild)] }, 'family is at it'));
  },
};

export default class Busy extends Worker {
  run() {
    work[this.config.name].call(this);
    return super.run();
  }
}
`;

const sections = ['idle', 'thread', 'main', 'promises', 'deaf', 'family'];

function createBusyProject(t: TestContext): Project {
  const ini = `[DEFAULT]\ntask = busy.mjs\nthreads = 0\npidfile = ph.pid\nrestart_delay = 20ms\n`;
  return createProject(t, {
    'busy.mjs': source,
    'ph.ini': ini + sections.map(name => `[${name}]\n${name === 'thread' ? 'threads = 1\n' : ''}`).join(''),
  });
}

/** The pids of the child and the grandchild that the worker of that section has started. */
async function familyOf(ph: Ph, from = 0): Promise<number[]> {
  return (await ph.log(record => record.family !== undefined, from)).family as number[];
}

/** Removes whatever of it is left when the test ends. */
function endAfter(t: TestContext, pids: readonly number[]): void {
  t.after(() => {
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
}

test('S13 two seconds after the master was killed no worker is left, whatever it was at; the next start succeeds', async t => {
  const project = createBusyProject(t);
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  await Promise.all(sections.map(name => ph.log(`${name} is at it`)));
  const family = await familyOf(ph);
  const pids = [...ph.workers, ...family];
  endAfter(t, pids);
  assert.equal(pids.length, sections.length + 2);

  ph.signal('SIGKILL');
  await ph.exit;
  await until('all workers and their children are gone', () => !pids.some(isAlive), 2000);

  assert.equal(readFileSync(project.path('ph.pid'), 'utf8').trim(), String(ph.pid), 'the pidfile was left');
  const next = startPh(t, ['run', '-s', 'idle'], { cwd: project.directory });
  await next.ready();
  assert.equal(readFileSync(project.path('ph.pid'), 'utf8').trim(), String(next.pid));
  assert.equal((await next.stop()).code, 0);
  assert.ok(!existsSync(project.path('ph.pid')));
});

test('S13 a worker that hangs while it boots does not outlive its master either', async t => {
  const project = createProject(t, { 'hang.mjs': `console.log('booting'); for (;;);` });
  const ph = startPh(t, ['run', 'hang.mjs', '-t', '1'], { cwd: project.directory });
  await ph.log('booting');
  const pids = ph.workers;
  endAfter(t, pids);
  assert.equal(pids.length, 1);
  ph.signal('SIGKILL');
  await ph.exit;
  await until('the worker is gone', () => !pids.some(isAlive), 2000);
});

test('S13 what is finished within a moment is finished, and the worker ends as if it was asked to', async t => {
  const project = createProject(t, {
    'tidy.mjs': `
import { writeFileSync } from 'node:fs';
import { SyncWorker } from 'processhandler';
export default class Tidy extends SyncWorker {
  async handleRequest() { await this.sleep(60_000); }
  stop() { writeFileSync('stopped', ''); }
}`,
  });
  const ph = startPh(t, ['run', 'tidy.mjs', '-t', '0'], { cwd: project.directory });
  const [pid = 0] = (await ph.ready()).values();
  ph.signal('SIGKILL');
  await until('the worker is gone', () => !isAlive(pid), 2000);
  assert.ok(existsSync(project.path('stopped')));
});

for (const [how, end] of [
  ['is killed', (pid: number) => process.kill(pid, 'SIGKILL')],
  ['ends by itself', (pid: number) => process.kill(pid, 'SIGALRM')],
] as const) {
  test(`a worker that ${how} takes its children and their children along`, async t => {
    const project = createBusyProject(t);
    const ph = startPh(t, ['run', '-s', 'family'], { cwd: project.directory });
    const [pid = 0] = (await ph.ready()).values();
    const family = await familyOf(ph);
    endAfter(t, family);
    assert.deepEqual(family.map(isAlive), [true, true]);
    const before = ph.records.length;
    end(pid);
    await until('the family is gone', () => !family.some(isAlive));
    const replacements = await familyOf(ph, before);
    endAfter(t, replacements);
    assert.equal((await ph.stop()).code, 0);
    assert.deepEqual(replacements.map(isAlive), [false, false], 'a stop takes them along as well');
  });
}
