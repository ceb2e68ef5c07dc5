import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { type BoundSocket, bindTcp, bindUnix } from '../../src/supervisor/bind.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { addressesOf, Client, connect, fetchBody } from '../helpers/clients.ts';
import { startDaemon } from '../helpers/daemon.ts';
import { untilLogged } from '../helpers/log-file.ts';
import { asNobody, onlyRoot } from '../helpers/nobody.ts';
import { isReadyLine, type Ph, type PhOptions, runPh, startPh } from '../helpers/ph.ts';
import { isAlive, processesIn, until } from '../helpers/processes.ts';
import { createProject, iniText, type Project } from '../helpers/project.ts';
import { servingModule, whoAnswers } from '../helpers/serving.ts';

type Keys = Readonly<Record<string, string | number>>;

interface Answer {
  readonly pid: number;
  readonly address: string;
  readonly env: NodeJS.ProcessEnv;
  readonly threads: number;
}

function setUp(t: TestContext, sections: Readonly<Record<string, Keys>>): Project {
  const defaults = { task: 'app.mjs', threads: 0, pidfile: 'ph.pid' };
  return createProject(t, { 'app.mjs': whoAnswers, 'ph.ini': iniText({ DEFAULT: defaults, ...sections }) });
}

async function start(t: TestContext, keys: Keys, options: Partial<PhOptions> = {}) {
  const project = setUp(t, { web: keys });
  const ph = startPh(t, ['run'], { cwd: project.directory, ...options });
  const workers = await ph.ready();
  return { project, ph, workers };
}

const ask = async (address: string): Promise<Answer> => JSON.parse(await fetchBody(address));

/** A socket of somebody else, who holds it until the test ends. */
function hold(t: TestContext, socket: BoundSocket): BoundSocket {
  cleanUp(t, () => closeSync(socket.fd));
  socket.listen(16);
  return socket;
}

const portOf = (socket: BoundSocket) => socket.name?.port as number;

/** Which of these listening sockets a process has open. */
function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .flatMap(fd => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return []; // The directory itself is read through one of them.
      }
    })
    .filter(name => name.startsWith('socket:'));
}

const filesOf = (project: Project) => readdirSync(project.directory).sort();

test('addresses that cannot be bound: one message for each, with its line; exit code 1, and nothing stays', async t => {
  const taken = hold(t, bindTcp('127.0.0.1', 0));
  const project = setUp(t, {
    web: { bind: `unix:web.sock, 127.0.0.1:${portOf(taken)}` },
    api: { bind: '192.0.2.1:80, no-such-host.invalid:80, fd://2, 127.0.0.1:0' },
  });
  const before = filesOf(project);
  const { code, stderr, stdout } = await runPh(t, ['run'], { cwd: project.directory });
  const ini = project.path('ph.ini');
  assert.equal(
    stderr.replace(/\((ENOTFOUND|EAI_AGAIN)\)/, '(CODE)'),
    `ph: ${ini}:7: [web] bind: 127.0.0.1:${portOf(taken)} is in use
${ini}:10: [api] bind: 192.0.2.1:80 is no address of this machine
${ini}:10: [api] bind: no-such-host.invalid:80 has a host name that cannot be resolved (CODE)
${ini}:10: [api] bind: fd://2 is no listening socket that this process was started with
`,
  );
  assert.deepEqual([code, stdout], [1, '']);
  assert.deepEqual(filesOf(project), before);
});

test('a privileged port without the privilege', { skip: onlyRoot }, async t => {
  const project = setUp(t, { web: { pidfile: '' } });
  chmodSync(project.directory, 0o755);
  const { code, stderr } = await runPh(t, ['run', '--bind', '127.0.0.1:81'], {
    cwd: project.directory,
    launcher: asNobody,
  });
  assert.match(
    stderr,
    /^ph: command line: bind: 127\.0\.0\.1:81 cannot be bound: permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE\n$/,
  );
  assert.equal(code, 1);
});

test('ph check checks what bind says, and binds nothing', async t => {
  const taken = hold(t, bindTcp('127.0.0.1', 0));
  const project = setUp(t, { web: { bind: `127.0.0.1:${portOf(taken)}, unix:web.sock` } });
  const before = filesOf(project);
  const fine = await runPh(t, ['check'], { cwd: project.directory });
  assert.equal(fine.code, 0, fine.stderr);
  assert.deepEqual(filesOf(project), before);
  const wrong = await runPh(t, ['check', '--bind', 'unix:none/x', '--bind', 'h:1,h:1'], {
    cwd: project.directory,
  });
  assert.equal(
    wrong.stderr.replace(/note:.*\n/, ''),
    `command line: bind: the directory ${project.path('none')} does not exist\ncommand line: bind: has h:1 twice\n`,
  );
  assert.equal(wrong.code, 2);
});

test('port 0, IPv6, a host name and a Unix socket: the log says where, and the workers answer there', async t => {
  const { ph, project, workers } = await start(t, {
    number_workers: 2,
    bind: '127.0.0.1:0, [::1]:0, localhost:0, unix:a.sock',
  });
  const addresses = await addressesOf(ph, 4);
  assert.match(addresses.join(' '), /^127\.0\.0\.1:\d+ \[::1\]:\d+ 127\.0\.0\.1:\d+ unix:\/.*\/a\.sock$/);
  for (const address of addresses) {
    const answer = await ask(address);
    assert.equal(answer.address, address);
    assert.ok([...workers.values()].includes(answer.pid));
  }
  assert.equal((await ph.stop()).code, 0);
  assert.deepEqual(filesOf(project), ['app.mjs', 'node_modules', 'ph.ini']);
  for (const address of addresses) assert.equal(await connect(t, address).ended, 'refused', 'S04');
});

test('who may connect to a Unix socket: owner and group, or what umask leaves', async t => {
  const project = setUp(t, { web: { bind: 'unix:a.sock' }, open: { bind: 'unix:b.sock', umask: '000' } });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const modeOf = (name: string) => (statSync(project.path(name)).mode & 0o777).toString(8);
  assert.deepEqual([modeOf('a.sock'), modeOf('b.sock')], ['660', '666']);
});

test('a Unix socket belongs to the user and group of its section', { skip: onlyRoot }, async t => {
  const project = setUp(t, { web: { bind: 'unix:a.sock', user: 'nobody', group: '1' } });
  chmodSync(project.directory, 0o755);
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const { uid, gid } = statSync(project.path('a.sock'));
  assert.deepEqual([uid, gid], [65534, 1]);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(!existsSync(project.path('a.sock')), 'removed by the supervisor');
  const unknown = await runPh(t, ['run', '--set', 'group=no-such-group'], { cwd: project.directory });
  assert.match(unknown.stderr, /a\.sock cannot be bound: cannot run as user nobody, group no-such-group: /);
  assert.equal(unknown.code, 1);
  assert.ok(!existsSync(project.path('a.sock')));
});

test('a live Unix socket is never removed, whoever serves it', async t => {
  const { project, ph } = await start(t, { bind: 'unix:a.sock' });
  const before = statSync(project.path('a.sock'));
  const second = await runPh(t, ['run', '--set', 'pidfile=second.pid'], { cwd: project.directory });
  const says = (name: string) =>
    `\\[web\\] bind: unix:${project.path(name)} is in use: a process accepts connections there\n$`;
  assert.match(second.stderr, new RegExp(says('a.sock')));
  assert.equal(second.code, 1);
  assert.equal(statSync(project.path('a.sock')).ino, before.ino);
  assert.ok((await ask(`unix:${project.path('a.sock')}`)).pid);

  const server = net.createServer().listen(project.path('foreign.sock'));
  cleanUp(t, () => server.close());
  await once(server, 'listening');
  project.write('ph.ini', iniText({ web: { task: 'app.mjs', bind: 'unix:foreign.sock' } }));
  const third = await runPh(t, ['run'], { cwd: project.directory });
  assert.match(third.stderr, new RegExp(says('foreign.sock')));
  assert.equal((await ph.stop()).code, 0);
});

test('S13 a Unix socket that a killed supervisor left is replaced', async t => {
  const { project, ph, workers } = await start(t, { bind: 'unix:a.sock' });
  ph.signal('SIGKILL');
  await ph.exit;
  await until('the workers are gone', () => [...workers.values()].every(pid => !isAlive(pid)));
  assert.ok(existsSync(project.path('a.sock')));
  const next = startPh(t, ['run'], { cwd: project.directory });
  await next.ready();
  assert.ok((await ask(`unix:${project.path('a.sock')}`)).pid);
});

test('S53 of five starts at the same moment over a stale Unix socket one wins, and serves', async t => {
  const { project, ph } = await start(t, { bind: 'unix:a.sock', pidfile: '' });
  ph.signal('SIGKILL');
  await ph.exit;
  await until('nobody is left', () => processesIn(project.directory).length === 0);
  const contenders = Array.from({ length: 5 }, () => startPh(t, ['run'], { cwd: project.directory }));
  const outcomes = await Promise.all(contenders.map(each => Promise.race([each.ready(), each.exit])));
  const winners = contenders.filter((_, at) => outcomes[at] instanceof Map);
  assert.equal(winners.length, 1);
  for (const outcome of outcomes)
    if (!(outcome instanceof Map)) assert.equal(outcome.code, 1, outcome.stderr);
  const { pid } = await ask(`unix:${project.path('a.sock')}`);
  assert.deepEqual(winners[0]?.workers, [pid]);
});

test('S28 a Unix socket that somebody removed comes back, with workers that have it; nobody else is replaced', async t => {
  const project = setUp(t, { web: { bind: 'unix:a.sock', number_workers: 2 }, other: {} });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const other = ph.records.find(record => isReadyLine(record) && record.section === 'other');
  const waiting = connect(t, `unix:${project.path('a.sock')}`);
  await waiting.connected();
  // What the file says now is not asked: nobody has told the supervisor to reload.
  project.write('ph.ini', 'broken');
  const mark = ph.records.length;
  unlinkSync(project.path('a.sock'));
  await ph.log(/a\.sock was removed; binding it anew/, mark);
  await ph.log(/generation 2 serves with 2 workers/, mark);
  const { pid } = await ask(`unix:${project.path('a.sock')}`);
  assert.ok(ph.records.slice(mark).some(record => isReadyLine(record) && record.workerPid === pid));
  assert.equal(await waiting.ended, 'end');
  assert.ok(isAlive(other?.workerPid as number));
  assert.equal(ph.records.filter(({ msg }) => /was removed/.test(msg)).length, 1);
});

test("S23 a file in the place of a removed socket is somebody else's, and stays", async t => {
  const { project, ph } = await start(t, { bind: 'unix:a.sock' });
  renameSync(project.path('a.sock'), project.path('moved.sock'));
  project.write('a.sock', 'mine');
  await ph.log(/a\.sock is another file now: nobody can connect to ours/);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(existsSync(project.path('a.sock')));
});

test('fd://N is the listening socket that ph was started with, also as a daemon', async t => {
  const socket = hold(t, bindTcp('127.0.0.1', 0));
  const address = `127.0.0.1:${portOf(socket)}`;
  const other = hold(t, bindTcp('127.0.0.1', 0));
  const metrics = `127.0.0.1:${portOf(other)}`;
  const fds = [socket.fd, other.fd];
  const { ph, project } = await start(t, { bind: 'fd://3', metrics_bind: 'fd://4' }, { fds });
  assert.deepEqual(await addressesOf(ph), [address]);
  assert.equal((await ask(address)).address, address);
  assert.equal(await fetchBody(metrics, '/livez'), 'ok\n');
  assert.equal((await ph.stop()).code, 0);

  const daemon = await startDaemon(t, project, { fds, args: ['--set', 'log_file=ph.log'] });
  assert.equal((await ask(address)).address, address);
  assert.equal(await fetchBody(metrics, '/livez'), 'ok\n');
  process.kill(daemon, 'SIGTERM');
  await until('the daemon is gone', () => !isAlive(daemon));
  assert.equal(await new Client(address).connected().then(({ socket }) => socket.destroy().destroyed), true);
});

test('LISTEN_FDS: sockets are found by name and number, nobody inherits the variables, the rest is closed', async t => {
  const project = setUp(t, {});
  const tcp = hold(t, bindTcp('127.0.0.1', 0));
  const unix = hold(t, bindUnix(project.path('systemd.sock')));
  const other = hold(t, bindTcp('127.0.0.1', 0));
  const unused = hold(t, bindTcp('127.0.0.1', 0));
  const launcher = ['bash', '-c', 'LISTEN_FDS=4 LISTEN_PID=$$ LISTEN_FDNAMES=a:b:c:d exec "$@"', 'bash'];
  const bind = `127.0.0.1:${portOf(tcp)}, unix:systemd.sock, fd://5`;
  project.write('ph.ini', iniText({ web: { task: 'app.mjs', threads: 0, bind } }));
  const options = { cwd: project.directory, launcher, fds: [tcp, unix, other, unused].map(({ fd }) => fd) };
  const ph = startPh(t, ['run'], options);
  await ph.ready();
  const addresses = await addressesOf(ph, 3);
  for (const address of addresses) {
    const answer = await ask(address);
    assert.equal(answer.address, address);
    assert.deepEqual(
      Object.keys(answer.env).filter(name => name.startsWith('LISTEN_')),
      [],
    );
  }
  await ph.log(new RegExp(`no section has asked for 127\\.0\\.0\\.1:${portOf(unused)}: closed`));
  assert.equal((await ph.stop()).code, 0);
  assert.ok(existsSync(project.path('systemd.sock')), "the service manager's own");

  const daemon = await startDaemon(t, project, { ...options, args: ['--set', 'log_file=ph.log'] });
  for (const address of addresses) assert.equal((await ask(address)).address, address);
  process.kill(daemon, 'SIGTERM');
  await until('the daemon is gone', () => !isAlive(daemon));
});

test('LISTEN_FDS that is not meant for this process is ignored, and what is no socket is refused', async t => {
  const socket = hold(t, bindTcp('127.0.0.1', 0));
  const project = setUp(t, { web: { bind: `127.0.0.1:${portOf(socket)}` } });
  const run = (environment: string) =>
    runPh(t, ['run'], {
      cwd: project.directory,
      fds: [socket.fd],
      launcher: ['bash', '-c', `${environment} exec "$@"`, 'bash'],
    });
  const other = await run('LISTEN_FDS=1 LISTEN_PID=1');
  assert.match(other.stderr, /127\.0\.0\.1:\d+ is in use\n$/);
  const none = await run('exec 4</dev/null; LISTEN_FDS=2 LISTEN_PID=$$');
  assert.equal(
    none.stderr,
    'ph: environment: fd 4 is no listening socket that this process was started with\n',
  );
  const unlike = await run(`LISTEN_FDS=1 LISTEN_PID=$$ PH_BIND=0.0.0.0:${portOf(socket)}`);
  assert.match(
    unlike.stderr,
    /PH_BIND: bind: 0\.0\.0\.0:\d+ is in use; the service manager has passed on 127\.0\.0\.1:\d+, which has to be written just so\n$/,
  );
  assert.deepEqual([other.code, none.code, unlike.code], [1, 1, 1]);
});

test('only the workers of its section have a socket: no other worker, and nothing that a worker starts', async t => {
  const listing = servingModule(
    `async initProcess() {
      const list = () => execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
      for (const listener of this.listeners) {
        await this.serve(http.createServer((_, response) => response.end(list())), listener);
      }
    }`,
    `import { execFileSync } from 'node:child_process';`,
  );
  const project = setUp(t, {
    a: { bind: '127.0.0.1:0', task: 'list.mjs' },
    b: { bind: '127.0.0.1:0' },
    c: {},
  });
  project.write('list.mjs', listing);
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const [address] = await addressesOf(ph, 2);
  const pids = new Map(
    ph.records.filter(isReadyLine).map(({ section, workerPid }) => [section, workerPid as number]),
  );
  const own = (section: string) => readlinkSync(`/proc/${pids.get(section)}/fd/6`);
  const others = (section: string) => socketsOf(pids.get(section) as number);
  assert.ok(socketsOf(ph.pid).includes(own('a')));
  assert.ok(!others('b').includes(own('a')));
  assert.ok(!others('a').includes(own('b')));
  assert.ok(!others('c').some(socket => [own('a'), own('b')].includes(socket)));
  const listed = await fetchBody(address as string);
  assert.ok(!listed.includes(own('a')), listed);
});

/** The ini of the next reload, HUP, and what is logged from there on. */
function reload(ph: Ph, project: Project, ini: string): number {
  project.write('ph.ini', ini);
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  return mark;
}

test('a reload changes addresses, workers, threads, environment, log file and module of a running supervisor', async t => {
  const { ph, project } = await start(t, { bind: '127.0.0.1:0, unix:a.sock', environment: 'COLOUR=red' });
  const [kept, gone] = (await addressesOf(ph, 2)) as [string, string];
  const first = await ask(gone);
  assert.deepEqual([first.env.COLOUR, first.threads], ['red', 0]);
  const inode = readlinkSync(`/proc/${first.pid}/fd/6`);

  project.write('next.mjs', whoAnswers);
  const web = {
    task: 'next.mjs',
    pidfile: 'ph.pid',
    number_workers: 2,
    threads: 1,
    environment: 'COLOUR=blue',
    log_file: 'ph.log',
    bind: 'unix:b.sock, 127.0.0.1:0',
    backlog: 7,
  };
  const master = ph.pid;
  reload(ph, project, iniText({ web, added: { task: 'app.mjs', threads: 0, bind: 'unix:c.sock' } }));
  await untilLogged(project.path('ph.log'), /generation 2 serves with 2 workers/);
  for (const address of [kept, `unix:${project.path('b.sock')}`]) {
    const answer = await ask(address);
    assert.deepEqual([answer.env.COLOUR, answer.threads, answer.address], ['blue', 1, address]);
    assert.equal(readlinkSync(`/proc/${answer.pid}/fd/7`), inode, 'the same socket');
  }
  assert.ok((await ask(`unix:${project.path('c.sock')}`)).pid);
  assert.equal(await connect(t, gone).ended, 'refused');
  // The last of the old ones may still be there when that is logged.
  await until('the old worker is gone', () => ph.workers.length === 3);
  const before = ph.workers;
  assert.equal(await backlogOf(kept), 7);

  reload(ph, project, iniText({ web: { ...web, bind: 'unix:b.sock' } }));
  await untilLogged(project.path('ph.log'), /generation 3 serves with 2 workers/);
  await until('the old workers are gone', () => !before.some(isAlive));
  assert.equal(await connect(t, kept).ended, 'refused');
  assert.ok(!existsSync(project.path('c.sock')), 'its section is gone');
  assert.equal(ph.pid, master);
  assert.equal((await ph.stop()).code, 0);
});

/** As the kernel has it, which shows it for listening sockets in the place of the bytes to send. */
async function backlogOf(address: string): Promise<number> {
  const { stdout } = await promisify(execFile)('ss', ['-Hltn', `sport = ${address.split(':').pop()}`]);
  return Number(stdout.trim().split(/\s+/)[2]);
}

test('S17 a reload to an address that cannot be had changes nothing, and the log says why', async t => {
  const { ph, project } = await start(t, { bind: '127.0.0.1:0' });
  const [address] = (await addressesOf(ph)) as [string];
  const { pid } = await ask(address);
  const web = { task: 'app.mjs', threads: 0, pidfile: 'other.pid', bind: `unix:new.sock, ${address}` };
  const mark = reload(ph, project, iniText({ web }));
  const { msg, problems } = await ph.log(/reload failed, everything stays as it was/, mark);
  assert.match(msg, new RegExp(`ph\\.ini:5: \\[web\\] bind: ${address.replaceAll('.', '\\.')} is in use$`));
  assert.equal((problems as { line: number }[])[0]?.line, 5);
  assert.deepEqual(filesOf(project), ['app.mjs', 'node_modules', 'ph.ini', 'ph.pid', 'ph.pid.sock']);
  assert.equal((await ask(address)).pid, pid);

  project.write('broken.mjs', `throw new Error('not today');`);
  const next = reload(ph, project, iniText({ web: { ...web, task: 'broken.mjs', bind: 'unix:new.sock' } }));
  await ph.log(/reload failed.*not today/, next);
  assert.ok(!existsSync(project.path('new.sock')));
  assert.equal((await ask(address)).pid, pid);
});
