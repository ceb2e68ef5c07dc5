import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { listenAsSystemd, type NotifySocket } from '../helpers/notify-socket.ts';
import { startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, workerModule } from '../helpers/project.ts';

const isStatus = (message: string) => message.startsWith('STATUS=');

test('S34 systemd is told of the start, of reloads that work and that fail, of an upgrade and of the stop, in order', async t => {
  const project = createProject(t, {
    'app.mjs': `import { existsSync } from 'node:fs';\n${workerModule('async setup() { while (existsSync("hold")) await this.sleep(10); }')}`,
    'ph.ini': iniText({
      a: { task: 'app.mjs', threads: 0, number_workers: 2 },
      b: { task: 'app.mjs', threads: 0 },
    }),
  });
  const systemd = await listenAsSystemd(t, project);
  const ph = startPh(t, ['run'], { cwd: project.directory, env: systemd.env });
  const workers = await ph.ready();
  assert.equal(
    await systemd.message(/^READY/),
    `READY=1|MAINPID=${ph.pid}|STATUS=2 sections, 3/3 workers ready`,
  );

  let mark = systemd.messages.length;
  project.write('hold', '');
  process.kill(workers.get(2) as number, 'SIGKILL');
  await systemd.message(/^STATUS=2 sections, 2\/3 workers ready/, mark);
  rmSync(project.path('hold'));
  await systemd.message(/^STATUS=2 sections, 3\/3 workers ready$/, mark);

  mark = systemd.messages.length;
  const ini = iniText({ a: { task: 'app.mjs', threads: 0 } });
  project.write('ph.ini', `${ini}\n[b]\ntask = nothing.mjs\n`);
  ph.signal('SIGHUP');
  const failed = await systemd.message(/^READY/, mark);
  assert.match(failed, /^READY=1\|STATUS=2 sections, 3\/3 workers ready; the last reload failed: .*ph\.ini:/);

  project.write('ph.ini', ini);
  ph.signal('SIGHUP');
  // Its second worker and the other section leave.
  assert.match(
    await systemd.message(/^READY=1\|STATUS=1 section/, mark),
    /^READY=1\|STATUS=1 section, 1\/1 workers ready/,
  );
  const reloads = systemd.messages.slice(mark).filter(message => !isStatus(message));
  assert.deepEqual(
    reloads.map(message => message.split(/[=|]/)[0]),
    ['RELOADING', 'READY', 'RELOADING', 'READY'],
  );
  const times = reloads.flatMap(message => /^RELOADING=1\|MONOTONIC_USEC=(\d+)$/.exec(message)?.[1] ?? []);
  const now = process.hrtime.bigint() / 1000n;
  assert.ok(
    BigInt(times[0] as string) < BigInt(times[1] as string) && BigInt(times[1] as string) < now,
    `${times}`,
  );

  mark = systemd.messages.length;
  ph.signal('SIGUSR2');
  const { successor } = await ph.log('is in charge');
  await ph.ended;
  process.kill(successor as number, 'SIGTERM');
  await ph.exit;
  // That the first one has stopped is nobody's end.
  assert.deepEqual(
    systemd.messages.slice(mark).filter(message => !isStatus(message)),
    [`READY=1|MAINPID=${successor}|STATUS=1 section, 1/1 workers ready`, 'STOPPING=1|STATUS=stopping'],
  );
  assert.equal(systemd.messages.at(-1), 'STOPPING=1|STATUS=stopping');
});

test("S34 systemd's watchdog hears from the loop alone, and workers know of neither", async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      'setup() { console.log("sees", Object.keys(process.env).filter(name => /NOTIFY|WATCHDOG/.test(name)).join()); }',
    ),
  });
  const systemd = await listenAsSystemd(t, project);
  const env = { ...systemd.env, WATCHDOG_USEC: '200000' };
  const ph = startPh(t, ['run', 'app.mjs', '-t', '0'], { cwd: project.directory, env });
  assert.equal((await ph.log(/^sees/)).msg.trim(), 'sees');
  await ph.ready();
  const elsewhere = await listenAsSystemd(t, createProject(t, {}));
  const other = startPh(t, ['run', 'app.mjs', '-t', '0'], {
    cwd: project.directory,
    env: { ...env, ...elsewhere.env },
  });
  const pings = ({ messages }: NotifySocket) => messages.filter(message => message === 'WATCHDOG=1').length;
  const some = async (socket: NotifySocket) => {
    const before = pings(socket);
    await until('two signs of life have come', () => pings(socket) >= before + 2);
  };
  await some(systemd);
  // A loop that does not turn, for as long as another one gives two signs of life.
  ph.signal('SIGSTOP');
  await some(elsewhere);
  const before = pings(systemd);
  await some(elsewhere);
  assert.equal(pings(systemd), before);
  ph.signal('SIGCONT');
  await some(systemd);
  await other.stop();
  assert.equal((await ph.stop()).code, 0);
  const order = systemd.messages.indexOf('WATCHDOG=1');
  assert.ok(
    order > systemd.messages.findIndex(message => message.startsWith('READY=1')),
    'not before it is ready',
  );
});

test('the watchdog of somebody else is not answered, and without a socket nothing is said', async t => {
  const project = createProject(t, { 'app.mjs': workerModule() });
  const systemd = await listenAsSystemd(t, project);
  const env = { ...systemd.env, WATCHDOG_USEC: '200000', WATCHDOG_PID: String(process.pid) };
  const ph = startPh(t, ['run', 'app.mjs', '-t', '0'], { cwd: project.directory, env });
  const quiet = startPh(t, ['run', 'app.mjs', '-t', '0'], {
    cwd: project.directory,
    env: { PATH: '/nowhere', WATCHDOG_USEC: '200000' },
  });
  const mute = startPh(t, ['run', 'app.mjs', '-t', '0'], {
    cwd: project.directory,
    env: { PATH: '/nowhere', NOTIFY_SOCKET: project.path('notify.sock') },
  });
  for (const each of [ph, quiet, mute]) await each.ready();
  await systemd.message(/^READY/);
  const warnings = async (each: typeof ph) => {
    assert.equal((await each.stop()).code, 0);
    return each.records.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  };
  assert.deepEqual(await warnings(ph), []);
  assert.deepEqual(await warnings(quiet), []);
  assert.deepEqual(await warnings(mute), [
    'systemd cannot be told anything: there is no systemd-notify in PATH',
  ]);
  assert.ok(!systemd.messages.includes('WATCHDOG=1'), systemd.messages.join('\n'));
});
