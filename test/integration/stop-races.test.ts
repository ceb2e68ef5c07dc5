import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { startPh } from '../helpers/ph.ts';
import { processesIn, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

const module = workerModule(
  `async handleRequest() {
    if (this.config.threads > 0) await this.pool.run(7, { name: 'double' });
    console.log('round');
    await this.sleep(20);
  }`,
  'export const double = n => 2 * n;',
);

function createRaceProject(t: TestContext) {
  return createProject(t, {
    'app.mjs': module,
    'ph.ini': iniText({
      one: { task: 'app.mjs', number_workers: 2, threads: 1, pidfile: 'ph.pid' },
      two: { task: 'app.mjs', threads: 0, log_level: 'error' },
    }),
  });
}

/** What only a defect of ours prints. */
const defect = /defect|unexpected|unhandled|uncaught|Warning|node:internal|EPIPE|ERR_IPC|PH_ERR/i;

const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/** Sends the signal when `moment` has come; the promise is that of a clean end. */
async function endAt(t: TestContext, signal: NodeJS.Signals, moment: (project: Project) => Promise<void>) {
  const project = createRaceProject(t);
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await moment(project);
  ph.signal(signal);
  const exit = await ph.exit;

  // Before it has taken the signals over, the system ends it as any other process.
  if (exit.signal === null) assert.equal(exit.code, 0, exit.stderr);
  else assert.deepEqual([exit.signal, exit.stderr], [signal, '']);
  assert.doesNotMatch(exit.stderr, defect);
  assert.deepEqual(
    ph.records.filter(({ level }) => level >= 40),
    [],
  );
  assert.ok(!existsSync(project.path('ph.pid')), 'the pidfile is gone');
  await until('no process is left in the project', () => processesIn(project.directory).length === 0);
}

test('S45 a signal at any moment of the start leaves no error, no process and no pidfile', async t => {
  const start = async (first: number) => {
    for (let step = first; step < 24; step += 2) {
      await endAt(t, signals[step % 3] ?? 'SIGTERM', () => delay(20 * (step + Math.random())));
    }
  };
  // Two at a time: the load of one makes the moments of the other less regular.
  await Promise.all([start(0), start(1)]);
});

test('S45 a signal in the moment in which the pidfile appears removes it again', async t => {
  for (const signal of signals) {
    await endAt(t, signal, async project => {
      while (!existsSync(project.path('ph.pid'))) await nextTurn();
    });
  }
});

test('S45 many signals of all kinds at random moments: it ends well, and nothing is left', async t => {
  const project = createRaceProject(t);
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.log('supervising');
  const kinds = [
    'SIGHUP',
    'SIGTTIN',
    'SIGTTOU',
    'SIGUSR1',
    'SIGWINCH',
    'SIGHUP',
    'SIGCHLD',
    'SIGPIPE',
  ] as const;
  for (let i = 0; i < 100; i++) {
    ph.signal(kinds[Math.floor(Math.random() * kinds.length)] ?? 'SIGHUP');
    await delay(Math.random() * 20);
  }
  const exit = await ph.stop();
  assert.equal(exit.code, 0, exit.stderr);
  assert.doesNotMatch(exit.stderr, /defect|unhandled|uncaught|Warning/i);
  assert.ok(!existsSync(project.path('ph.pid')));
  await until('no process is left in the project', () => processesIn(project.directory).length === 0);
});

test('TERM while workers boot ends them at once: there is nothing to wait for, and no error', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `setup() { console.log('setting up'); return new Promise(done => setTimeout(done, 60_000)); }`,
    ),
  });
  const ph = startPh(t, ['run', 'app.mjs', '-w', '2', '-t', '0'], { cwd: project.directory });
  await ph.logs('setting up', 2);
  const exit = await ph.stop();
  assert.equal(exit.code, 0);
  assert.deepEqual(
    ph.records.filter(({ level }) => level >= 40).map(({ msg }) => msg),
    [],
  );
  await until('no process is left in the project', () => processesIn(project.directory).length === 0);
});

test('TERM while a crash loop waits for its next start ends at once', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(`handleRequest() { throw new Error('always'); }`),
  });
  const ph = startPh(
    t,
    ['run', 'app.mjs', '-t', '0', '--set', 'restart_delay=60s', '--set', 'restart_delay_max=60s'],
    {
      cwd: project.directory,
    },
  );
  await ph.log(/restarting in \d/);
  assert.equal((await ph.stop()).code, 0);
});
