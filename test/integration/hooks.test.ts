import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startPh } from '../helpers/ph.ts';
import { processesIn, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';

interface Written {
  readonly event: string;
  readonly [field: string]: unknown;
}

const eventsOf = (project: Project): Written[] =>
  existsSync(project.path('events'))
    ? readFileSync(project.path('events'), 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line))
    : [];

test('each event runs its command in the directory of ph.ini, also those of the stop, which waits for them', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'ph.ini': iniText({
      DEFAULT: { on_ready: 'cat >> events', on_reload: 'cat >> events', on_exit: 'sleep 0.1; cat >> events' },
      a: { task: 'app.mjs', threads: 0, number_workers: 2 },
      b: { task: 'app.mjs', threads: 0, on_exit: '' },
    }),
  });
  const ph = startPh(t, ['run', '-c', project.path('ph.ini')], { cwd: '/' });
  const workers = await ph.ready();
  const come = (count: number) =>
    until(`${count} events have come`, () => eventsOf(project).length === count);
  await come(1);
  const pid = workers.get(2) as number;
  const mark = ph.records.length;
  process.kill(pid, 'SIGKILL');
  await come(2);
  const restarted = await ph.nextReady(mark);
  const ini = readFileSync(project.path('ph.ini'), 'utf8');
  project.write('ph.ini', ini.replace('task = app.mjs', 'task = nothing.mjs'));
  ph.signal('SIGHUP');
  await come(3);
  project.write('ph.ini', ini);
  assert.equal((await ph.stop()).code, 0);

  const [ready, killed, failed, ...drained] = eventsOf(project);
  const supervisor = { pid: ph.pid, instance: 1 };
  assert.match(ready?.time as string, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(ready, {
    event: 'ready',
    sections: [
      { name: 'a', workers: 2 },
      { name: 'b', workers: 1 },
    ],
    failures: [],
    time: ready?.time,
    supervisor,
    section: null,
  });
  assert.deepEqual(killed, {
    event: 'exit',
    worker: { index: 2, pid, generation: 1 },
    kind: 'killed',
    reason: killed?.reason,
    unexpected: true,
    failure: true,
    exitCode: null,
    signal: 'SIGKILL',
    time: killed?.time,
    supervisor,
    section: 'a',
  });
  assert.equal(failed?.event, 'reload');
  assert.equal(failed?.outcome, 'failed');
  assert.match(failed?.reason as string, /nothing\.mjs does not exist/);
  assert.deepEqual(
    drained.map(({ kind, exitCode, section }) => [kind, exitCode, section]),
    [
      ['drained', 0, 'a'],
      ['drained', 0, 'a'],
    ],
  );
  assert.ok(drained.some(({ worker }) => (worker as { pid: number }).pid === restarted.pid));
});

test('a section that fails is told once, with its last failure; what its command prints is in the log, and QUIT waits for none', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule().replace('return this.sleep(50)', 'process.exit(3)'),
    'other.mjs': workerModule(),
    'ph.ini': iniText({
      a: {
        task: 'app.mjs',
        threads: 0,
        max_restarts: 1,
        restart_delay: 0.01,
        on_failed: 'cat; echo trouble >&2; echo done > done; exec sleep 100',
      },
      b: { task: 'other.mjs', threads: 0 },
    }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const { reason, event } = (await ph.log(record => record.event !== undefined)) as unknown as Written;
  assert.deepEqual([event, reason], ['failed', 'exited with code 3']);
  const printed = await ph.log(({ msg }) => msg === 'trouble');
  assert.deepEqual([printed.section, printed.hook, printed.stream], ['a', 'on_failed', 'stderr']);
  await until('its command is about to hang', () => existsSync(project.path('done')));
  ph.signal('SIGQUIT');
  assert.equal((await ph.exit).code, 0);
  assert.ok(ph.records.some(({ msg, level }) => level === 40 && msg === 'on_failed: killed: ph stops'));
  assert.deepEqual(processesIn(project.directory), []);
});

test('a command that fails or hangs is a warning, and holds nothing up but its own time', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'ph.ini': iniText({
      a: {
        task: 'app.mjs',
        threads: 0,
        on_ready: 'exit 7',
        on_reload: 'sleep 100 & sleep 100',
        hook_timeout: '300ms',
      },
    }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.log(({ level, msg }) => level === 40 && msg === 'on_ready: exited with code 7');
  ph.signal('SIGHUP');
  await ph.log('generation 2 serves');
  await ph.log(({ level, msg }) => level === 40 && /^on_reload: killed: .*0\.3 s/.test(msg));
  assert.equal((await ph.stop()).code, 0);
  assert.deepEqual(processesIn(project.directory), []);
});

test('a section whose last worker has failed and is not restarted is failed, one that still serves and is stopped is not', async t => {
  const never = { task: 'app.mjs', threads: 0, restart: 'never', on_failed: 'cat >> events' };
  const project = createProject(t, {
    'app.mjs': workerModule(),
    'ph.ini': iniText({ one: never, two: { ...never, number_workers: 2 } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  for (const section of ['one', 'two']) {
    const { workerPid } = await ph.log(
      record => record.section === section && record.workerPid !== undefined,
    );
    process.kill(workerPid as number, 'SIGKILL');
    await ph.log(({ msg }) => msg.includes(`(pid ${workerPid}) killed`));
  }
  await ph.stop();
  assert.deepEqual(
    eventsOf(project).map(({ event, section }) => [event, section]),
    [['failed', 'one']],
  );
});
