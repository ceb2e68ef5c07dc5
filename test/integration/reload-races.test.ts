import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isReadyLine, type LogRecord, type Ph, startPh } from '../helpers/ph.ts';
import { isAlive, openFilesOf, processesIn, rssOf, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

const app = { task: 'app.mjs', threads: 0, pidfile: 'ph.pid' };
const hanging = workerModule(
  `setup() { console.log('hanging'); return new Promise(() => setInterval(() => {}, 1000)); }`,
);
const isDrained = ({ exit }: LogRecord) => exit === 'drained';

async function start(t: TestContext, keys: Readonly<Record<string, string | number>> = {}) {
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'ph.ini': iniText({ app: { ...app, ...keys } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const workers = await ph.ready();
  return { ph, workers, project };
}

/** Has a reload whose new worker never becomes ready. */
async function hang(ph: Ph, project: Project): Promise<void> {
  project.write('app.mjs', hanging);
  ph.signal('SIGHUP');
  await ph.log('hanging');
}

function nothingLeft({ directory }: Project): Promise<void> {
  return until('no process is left in the project', () => processesIn(directory).length === 0);
}

test('S52 TERM while a reload waits for its first worker ends everything, with exit code 0', async t => {
  const { ph, project } = await start(t);
  await hang(ph, project);
  assert.equal((await ph.stop()).code, 0);
  await ph.log(/reload given up.*the supervisor is stopping/);
  assert.ok(!ph.records.some(({ level }) => level >= 50));
  await nothingLeft(project);
});

test('S52 TERM while a reload replaces one worker after the other ends everything, with exit code 0', async t => {
  const { ph, project } = await start(t, { number_workers: 3 });
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  await ph.logs(isReadyLine, 2, mark);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(!ph.records.some(({ level }) => level >= 40));
  await nothingLeft(project);
});

test('S52 TERM while a reload takes a new pidfile ends everything', async t => {
  const { ph, project } = await start(t);
  project.write('ph.ini', iniText({ app: { ...app, pidfile: 'other.pid' } }));
  // Stopped in between, it gets both at once: TERM comes while the lock of the new pidfile is being taken.
  for (const signal of ['SIGSTOP', 'SIGHUP', 'SIGTERM', 'SIGCONT'] as const) ph.signal(signal);
  assert.equal((await ph.exit).code, 0);
  await nothingLeft(project);
});

test('S52 a reload takes the place of one whose new worker hangs in its boot', async t => {
  const { ph, workers, project } = await start(t);
  await hang(ph, project);
  project.write('app.mjs', workerModule(`setup() { console.log('mended'); }`));
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  await ph.log('mended', mark);
  await ph.log(/reload given up.*a newer reload took its place/, mark);
  const { workerPid } = await ph.log(isDrained, mark);
  assert.equal(workerPid, workers.get(1));
  assert.equal(ph.workers.length, 1);
});

test('S52 many HUPs at once end in one worker per place, of the last configuration', async t => {
  const { ph, project } = await start(t, { number_workers: 2 });
  for (let n = 1; n <= 10; n++) {
    project.write('app.mjs', workerModule(`setup() { console.log('version ${n}'); }`));
    ph.signal('SIGHUP');
    await delay(Math.random() * 60);
  }
  await until('both run the last version', () => {
    const ready = ph.records.filter(({ msg }) => msg === 'version 10').map(({ pid }) => pid);
    return ph.workers.length === 2 && ph.workers.every(pid => ready.includes(pid));
  });
  assert.equal((await ph.stop()).code, 0);
  await nothingLeft(project);
});

test('S52 KILL of the master during a reload: workers of both generations are gone within 2 s', async t => {
  const { ph, project } = await start(t, { number_workers: 2 });
  await hang(ph, project);
  assert.equal(ph.workers.length, 3);
  ph.signal('SIGKILL');
  await ph.exit;
  await until('no process is left in the project', () => processesIn(project.directory).length === 0, 3000);

  project.write('app.mjs', workerModule());
  const next = startPh(t, ['run'], { cwd: project.directory });
  await next.ready();
  assert.equal((await next.stop()).code, 0);
});

test('a broken edit and a HUP while the first workers boot do not end them', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `async setup() { console.log('slow'); await new Promise(done => setTimeout(done, 1000)); }`,
    ),
    'ph.ini': iniText({ app }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const { pid } = await ph.log('slow');
  project.write('app.mjs', `throw new Error('half an edit');`);
  ph.signal('SIGHUP');
  await ph.log(/reload failed.*half an edit/);
  const workers = await ph.ready();
  assert.equal(workers.get(1), pid);
});

test('S19 many reloads, also such that fail, leak no descriptor, no listener and no memory in the master', async t => {
  const variants = [
    { one: app, two: { ...app, task: 'two.mjs', log_file: 'a.log', pidfile: 'a.pid' } },
    {
      one: { ...app, number_workers: 2 },
      two: { ...app, task: 'two.mjs', log_file: 'b.log', pidfile: 'b.pid' },
    },
    { one: app },
  ].map(iniText);
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'two.mjs': workerModule(),
    'ph.ini': variants[0] as string,
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();

  /** One that works, one whose configuration is broken, and one whose second module is. */
  const reloadThrice = async (round: number) => {
    const before = ph.workers;
    project.write('ph.ini', variants[round % variants.length] as string);
    ph.signal('SIGHUP');
    await until('no old worker is left', () => before.every(pid => !isAlive(pid)), 20_000);
    await fail(ph, () => project.write('ph.ini', 'nonsense'));
    project.write('ph.ini', variants[0] as string);
    await fail(ph, () => project.write('two.mjs', `throw new Error('broken');`));
    project.write('two.mjs', workerModule());
  };
  /** Back in the first variant and at rest. */
  const measure = async () => {
    await reloadThrice(0);
    await until('only its two workers are left', () => ph.workers.length === 2);
    return { files: await filesAtRest(ph.pid), rss: rssOf(ph.pid) };
  };

  for (let round = 1; round <= 3; round++) await reloadThrice(round);
  const first = await measure();
  const end = performance.now() + 6000;
  let rounds = 0;
  while (rounds < 5 || performance.now() < end) await reloadThrice(++rounds);
  const last = await measure();

  t.diagnostic(
    `${3 * rounds} reloads: ${first.files} → ${last.files} files, RSS ${mega(first.rss)} → ${mega(last.rss)} MB`,
  );
  assert.equal(last.files, first.files);
  assert.ok(last.rss - first.rss < 20 * 2 ** 20, `RSS grew from ${mega(first.rss)} to ${mega(last.rss)} MB`);
  assert.doesNotMatch(ph.stderr, /Warning/);
  assert.equal((await ph.stop()).code, 0);
});

/** Once the pipes of what has just ended are closed. */
async function filesAtRest(pid: number): Promise<number> {
  const samples: number[] = [];
  while (samples.length < 4 || samples.slice(-4).some(files => files !== samples.at(-1))) {
    samples.push(openFilesOf(pid));
    await delay(100);
  }
  return samples.at(-1) as number;
}

async function fail(ph: Ph, spoil: () => void): Promise<void> {
  spoil();
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  await ph.log('reload failed', mark);
}

const mega = (bytes: number) => Math.round(bytes / 2 ** 20);
