import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, existsSync, renameSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { type ControlClient, connect } from '../../src/control/client.ts';
import { type Handlers, routes } from '../../src/control/protocol.ts';
import { ControlServer } from '../../src/control/server.ts';
import { withResolvers } from '../../src/promise.ts';
import { Control } from '../../src/supervisor/control.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { type Ph, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, packageRoot } from '../helpers/project.ts';

const module = `
  export function square(n) { return n * n }
  export function big() { return 10n }
  export function boom() { throw new TypeError('no such thing') }
  export function hang({ signal }, { signal: abort }) { return new Promise((_, reject) => abort.addEventListener('abort', () => reject(abort.reason))) }
  export function crash() { process.kill(process.pid, 'SIGKILL') }
`;

interface Running {
  readonly ph: Ph;
  readonly project: Project;
  readonly client: ControlClient;
}

type Sections = Readonly<Record<string, Readonly<Record<string, string | number>>>>;

async function start(t: TestContext, sections: Sections = { math: { number_workers: 2 } }): Promise<Running> {
  const named = Object.entries(sections).map(([name, keys]) => [
    name,
    { task: 'math.mjs', threads: 1, ...keys },
  ]);
  const project = createProject(t, { 'math.mjs': module, 'ph.ini': iniText(Object.fromEntries(named)) });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  return { ph, project, client: connect(project.path('.ph.sock')) };
}

interface Answer {
  readonly status: number;
  readonly body: { readonly error?: { readonly code: string; readonly message: string } };
}

function ask(path: string, method: string, route: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: path, method, path: route, agent: false }, response => {
      let text = '';
      response.on('data', chunk => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

test('only its owner may connect, curl needs no client, and it goes with the supervisor', async t => {
  const { ph, project } = await start(t);
  const path = project.path('.ph.sock');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const { status, body } = await ask(path, 'GET', '/v1/status');
  assert.equal(status, 200);
  assert.equal((body as { supervisor: { pid: number } }).supervisor.pid, ph.pid);
  assert.equal((await ph.stop()).code, 0);
  assert.equal(existsSync(path), false);
});

test('S33 the status has its schema, tells what is there, and its counters only grow', async t => {
  const { ph, client } = await start(t, { math: { number_workers: 2 }, other: {} });
  const { supervisor, sections } = await client.status();
  assert.equal(supervisor.pid, ph.pid);
  assert.equal(supervisor.state, 'running');
  assert.deepEqual(
    sections.map(({ name, state, workers }) => ({ name, state, workers })),
    [
      { name: 'math', state: 'running', workers: { ready: 2, wanted: 2 } },
      { name: 'other', state: 'running', workers: { ready: 1, wanted: 1 } },
    ],
  );
  assert.deepEqual(
    sections[0]?.processes.map(({ index, state }) => [index, state]),
    [
      [1, 'ready'],
      [2, 'ready'],
    ],
  );
  for (let n = 0; n < 5; n++)
    assert.equal((await client.submit({ section: 'math', name: 'square', payload: n })).result, n * n);
  await assert.rejects(client.submit({ section: 'math', name: 'boom' }), { message: 'no such thing' });
  const math = async () => (await client.status()).sections[0] as (typeof sections)[number];
  while ((await math()).tasks.done < 5) await delay(20);
  // What a worker that is gone has counted still counts.
  await assert.rejects(client.submit({ section: 'math', name: 'crash' }), { code: 'PH_ERR_WORKER_CRASH' });
  await ph.log(/killed by SIGKILL/);
  const after = await math();
  assert.equal(after.tasks.done, 5);
  assert.equal(after.tasks.failed, 1);
  assert.equal(after.restarts, 1);
  assert.equal(after.exits.killed, 1);
  assert.match(after.lastFailure ?? '', /SIGKILL/);
  assert.equal(after.processes.filter(({ lastExit }) => lastExit?.kind === 'killed').length, 1);
});

test('S33 each mistake has its status and its code, and disturbs nobody', async t => {
  const { project, client } = await start(t, { math: {} });
  const path = project.path('.ph.sock');
  const cases: [method: string, route: string, body: string | undefined, status: number, code: string][] = [
    ['GET', '/v2/status', undefined, 404, 'PH_ERR_CONTROL_PATH'],
    ['GET', '//', undefined, 400, 'PH_ERR_CONTROL_REQUEST'],
    ['GET', '/v1/stop', undefined, 405, 'PH_ERR_CONTROL_METHOD'],
    ['POST', '/v1/scale', '{', 400, 'PH_ERR_CONTROL_REQUEST'],
    ['POST', '/v1/scale', '[]', 400, 'PH_ERR_CONTROL_REQUEST'],
    ['POST', '/v1/scale', '{"section":"math"}', 400, 'PH_ERR_CONTROL_REQUEST'],
    ['POST', '/v1/scale', '{"section":"math","workers":"many"}', 400, 'PH_ERR_CONTROL_REQUEST'],
    ['POST', '/v1/reload', '{"sction":"math"}', 400, 'PH_ERR_CONTROL_REQUEST'],
    ['POST', '/v1/reload', '{"section":"nope"}', 404, 'PH_ERR_NO_SECTION'],
    ['POST', '/v1/stop', '{"section":"nope","wait":false}', 404, 'PH_ERR_NO_SECTION'],
    ['POST', '/v1/reload', '{"section":"nope","wait":false}', 404, 'PH_ERR_NO_SECTION'],
    ['POST', '/v1/scale', '{"section":"math","workers":"0","wait":false}', 400, 'PH_ERR_CONTROL_REQUEST'],
    ['GET', '/v1/plan?section=nope', undefined, 404, 'PH_ERR_NO_SECTION'],
    ['POST', '/v1/submit', '{"section":"math","name":"nope"}', 422, 'PH_ERR_UNKNOWN_TASK'],
    ['POST', '/v1/submit', '{"section":"math","name":"big"}', 422, 'PH_ERR_RESULT'],
    ['GET', '/v1/stack?section=math&index=7', undefined, 422, 'PH_ERR_NO_WORKER'],
    ['GET', '/v1/stack?index=x', undefined, 400, 'PH_ERR_CONTROL_REQUEST'],
  ];
  for (const [method, route, body, status, code] of cases) {
    const answer = await ask(path, method, route, body);
    assert.deepEqual([route, answer.status, answer.body.error?.code], [route, status, code]);
    assert.ok(answer.body.error?.message);
  }
  const { status, body } = await ask(path, 'GET', '/v1/schema');
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(body), Object.keys(routes));
  assert.equal((await client.submit({ section: 'math', name: 'square', payload: 3 })).result, 9);
});

test('1,000 requests at once, garbage, and requests that are too large or never end: the workers never notice', async t => {
  const { ph, project, client } = await start(t, { math: { timeout: '500ms' } });
  const path = project.path('.ph.sock');
  const before = ph.records.length;
  const deaf = Array.from({ length: 20 }, () => net.connect(path));
  cleanUp(t, () => {
    for (const socket of deaf) socket.destroy();
  });
  for (const [at, socket] of deaf.entries()) {
    socket.on('error', () => {});
    socket.write(
      [
        '\0\x01\x02garbage\r\n\r\n',
        'GET /v1/status HTTP/1.1\r\nHo',
        'POST /v1/submit HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{',
      ][at % 3] as string,
    );
  }
  const tooLarge = JSON.stringify({ section: 'math', payload: 'x'.repeat(17 * 1024 * 1024) });
  // It may be cut off before it has been sent, while the others are still asked.
  const large = ask(path, 'POST', '/v1/submit', tooLarge).then(
    ({ body }) => body.error?.code,
    (error: NodeJS.ErrnoException) => error.code,
  );
  const answers = await Promise.all(Array.from({ length: 1000 }, () => client.status()));
  assert.ok(answers.every(({ supervisor }) => supervisor.pid === ph.pid));
  const refused = await large;
  assert.ok(['PH_ERR_CONTROL_SIZE', 'EPIPE', 'ECONNRESET'].includes(refused as string), refused);
  assert.equal((await client.submit({ section: 'math', name: 'square', payload: 4 })).result, 16);
  assert.deepEqual(ph.records.slice(before), []);
});

test('whoever asked and leaves takes the task along; how long one may run can be said', async t => {
  const { client } = await start(t, { math: {} });
  const leave = new AbortController();
  const submitted = client.submit({ section: 'math', name: 'hang', payload: {} }, { signal: leave.signal });
  const running = async () => (await client.status()).sections[0]?.processes[0]?.running.length;
  while ((await running()) !== 1) await delay(20);
  leave.abort();
  await assert.rejects(submitted, { name: 'AbortError' });
  while ((await running()) !== 0) await delay(20);
  await assert.rejects(client.submit({ section: 'math', name: 'hang', payload: {}, timeout: 50 }), {
    code: 'PH_ERR_TASK_TIMEOUT',
  });
});

test('S20 it answers during a reload, which tells whoever waits for it how it ended', async t => {
  const { project, client } = await start(t);
  const gate = project.path('seen');
  writeFileSync(
    project.path('math.mjs'),
    `import { existsSync } from 'node:fs';
    while (!existsSync('${gate}')) await new Promise(resolve => setTimeout(resolve, 5));
    ${module}`,
  );
  const reloaded = client.reload({});
  const seen = new Set<string | null>();
  while (!seen.has('reload')) seen.add((await client.status()).supervisor.busyWith);
  writeFileSync(gate, '');
  assert.deepEqual((await reloaded).sections, [
    { name: 'math', change: 'replaced', generation: 2, workers: 2 },
  ]);
  writeFileSync(project.path('math.mjs'), 'export const x = 1;\nthrow new RangeError("not like this")');
  await assert.rejects(client.reload({}), (error: Error & { code: string; details: string }) => {
    assert.equal(error.code, 'PH_ERR_RELOAD');
    assert.match(error.details, /RangeError: not like this\n.*math\.mjs:2/s);
    return true;
  });
  assert.equal((await client.submit({ section: 'math', name: 'square', payload: 5 })).result, 25);
});

test('S28 a control socket that somebody removed is made again; one that cannot be made costs a warning only', async t => {
  const { ph, project, client } = await start(t, { math: {} });
  unlinkSync(project.path('.ph.sock'));
  await ph.log(/\.ph\.sock was removed; made again/);
  await until('it is there again', () => existsSync(project.path('.ph.sock')));
  assert.equal((await client.status()).supervisor.pid, ph.pid);

  writeFileSync(
    project.path('ph.ini'),
    iniText({ math: { task: 'math.mjs', control_socket: 'nowhere/ph.sock' } }),
  );
  await client.reload({});
  await ph.log(/nowhere\/ph\.sock: .*commands cannot reach this supervisor/);
  writeFileSync(project.path('ph.ini'), iniText({ math: { task: 'math.mjs', control_socket: 'new.sock' } }));
  ph.signal('SIGHUP');
  await until('it has moved', () => existsSync(project.path('new.sock')));
  await until('it has left', () => !existsSync(project.path('.ph.sock')));
  assert.equal((await connect(project.path('new.sock')).status()).supervisor.pid, ph.pid);
});

test('a path that is longer than the system takes for a socket works all the same', async t => {
  const project = createProject(t, { 'math.mjs': module });
  const name = join('d'.repeat(120), 'ph.ini');
  const directory = project.path('d'.repeat(120));
  project.write(name, iniText({ math: { task: '../math.mjs' } }));
  const ph = startPh(t, ['run'], { cwd: directory });
  await ph.ready();
  assert.equal((await connect(join(directory, '.ph.sock')).status()).supervisor.pid, ph.pid);
  renameSync(join(directory, '.ph.sock'), join(directory, 'gone'));
  await assert.rejects(connect(join(directory, 'nothing.sock')).status(), {
    code: 'PH_ERR_NOT_RUNNING',
    exitStatus: 3,
  });
});

test('a section whose workers have ended for good: nobody waits for them, and it can be restarted and stopped', async t => {
  const { client } = await start(t, { math: {}, batch: { number_workers: 2, restart: 'never' } });
  const batch = async () => (await client.status()).sections[1];
  const crash = async () => {
    const { pid } = (await batch())?.processes.find(({ state }) => state === 'ready') ?? {};
    process.kill(pid as number, 'SIGKILL');
    while ((await batch())?.processes.some(each => each.pid === pid)) await delay(20);
  };
  await crash();
  await assert.rejects(client.scale({ section: 'batch', workers: '2' }), {
    code: 'PH_ERR_RELOAD',
    message: /^\[batch\] killed by SIGKILL/,
  });
  await crash();
  assert.equal((await batch())?.state, 'stopped');
  await assert.rejects(client.scale({ section: 'batch', workers: '2' }), {
    message: '[batch] has no worker: all of them have ended; `ph restart batch` starts it',
  });
  assert.deepEqual((await client.restart({ section: 'batch' })).sections, [
    { name: 'batch', change: 'restarted', generation: 2, workers: 2 },
  ]);
  await crash();
  await crash();
  assert.deepEqual(await client.stop({ section: 'batch' }), { sections: ['batch'] });
  assert.deepEqual(await client.stop({ section: 'batch' }), { sections: [] });
});

test('S20 changes of single sections at once: none takes the place of another; tasks have the limits of now', async t => {
  const { project, client } = await start(t, { a: {}, b: {}, c: {}, d: {} });
  const keys = { task: 'math.mjs', threads: 1, task_timeout: '50ms' };
  writeFileSync(project.path('ph.ini'), iniText({ a: keys, b: keys, c: keys, d: keys }));
  const changes = await Promise.all([
    client.reload({ section: 'a' }),
    client.reload({ section: 'b' }),
    client.restart({ section: 'c' }),
    client.stop({ section: 'd' }),
  ]);
  assert.deepEqual(changes.slice(0, 3), [
    { sections: [{ name: 'a', change: 'replaced', generation: 2, workers: 1 }] },
    { sections: [{ name: 'b', change: 'replaced', generation: 2, workers: 1 }] },
    { sections: [{ name: 'c', change: 'restarted', generation: 2, workers: 1 }] },
  ]);
  assert.equal((await client.status()).sections[3]?.state, 'stopped');
  await assert.rejects(client.submit({ section: 'b', name: 'hang', payload: {} }), {
    code: 'PH_ERR_TASK_TIMEOUT',
  });
  // Nobody has asked for the end of the supervisor.
  writeFileSync(project.path('ph.ini'), iniText({ d: keys }));
  await assert.rejects(client.reload({}), { message: /^\[d\] was stopped, and no other section is left/ });
  assert.equal((await client.status()).supervisor.state, 'running');
});

test('S06 a section that fails: who waits for its workers is told, and tasks that wait for one are given up', async t => {
  const { client } = await start(t, { math: { max_restarts: 0 } });
  const math = async () => (await client.status()).sections[0];
  const codes = Promise.all(
    Array.from({ length: 8 }, () =>
      client.submit({ section: 'math', name: 'hang', payload: {} }).catch(error => error.code),
    ),
  );
  for (let there = 0; there < 8; await delay(20)) {
    const { queued = 0, processes = [] } = (await math()) ?? {};
    there = queued + (processes[0]?.running.length ?? 0);
  }
  process.kill((await math())?.processes[0]?.pid as number, 'SIGKILL');
  assert.deepEqual([...new Set(await codes)].sort(), ['PH_ERR_SECTION_FAILED', 'PH_ERR_WORKER_CRASH']);
  await assert.rejects(client.scale({ section: 'math', workers: '1' }), {
    code: 'PH_ERR_RELOAD',
    message: /^\[math\] killed by SIGKILL/,
  });
});

test('a deploy that takes the files of this package away costs no worker', async t => {
  const project = createProject(t, { 'math.mjs': module, 'ph.ini': iniText({ math: { task: 'math.mjs' } }) });
  cpSync(join(packageRoot, 'dist'), project.path('old/dist'), { recursive: true });
  cpSync(join(packageRoot, 'package.json'), project.path('old/package.json'));
  symlinkSync(join(packageRoot, 'node_modules'), project.path('old/node_modules'));
  const entry = project.path('old/dist/cli/main.js');
  const ph = startPh(t, ['run'], {
    cwd: project.directory,
    launcher: ['bash', '-c', 'shift 2; exec node "$0" "$@"', entry],
  });
  await ph.ready();
  const before = ph.workers;
  renameSync(project.path('old/dist/control/server.js'), project.path('gone'));
  const client = connect(project.path('.ph.sock'));
  await assert.rejects(client.status(), { code: 'PH_ERR_NOT_RUNNING' });
  await ph.log(/no command can be served: .*server\.js/);
  assert.deepEqual(ph.workers, before);
  renameSync(project.path('gone'), project.path('old/dist/control/server.js'));
  assert.equal((await client.status()).supervisor.pid, ph.pid);
});

test('who leaves without the answer holds nobody up when the supervisor stops', async t => {
  const project = createProject(t, {});
  const asked = withResolvers<void>();
  const going = withResolvers<void>();
  const left = withResolvers<void>();
  const handlers = {
    async stop(_request: unknown, signal: AbortSignal) {
      signal.addEventListener('abort', () => left.resolve());
      asked.resolve();
      await going.promise;
      return { sections: [] };
    },
  };
  const server = new ControlServer(handlers as unknown as Handlers);
  const listener = net.createServer({ pauseOnConnect: true }, socket => server.accept(socket));
  listener.listen(project.path('sock'));
  await once(listener, 'listening');
  const leave = new AbortController();
  const stopped = connect(project.path('sock')).stop({}, { signal: leave.signal });
  await asked.promise;
  leave.abort();
  await assert.rejects(stopped, { name: 'AbortError' });
  await left.promise;
  going.resolve();
  // Its time limit never comes.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  await server.close();
  listener.close();
});

test('a supervisor that was replaced does not take the place of the control socket again', async t => {
  const project = createProject(t, {});
  const path = project.path('.ph.sock');
  const warnings: string[] = [];
  const logger = pino({ level: 'warn' }, { write: line => warnings.push(line) });
  const control = new Control({ logger, handlers: {} as Handlers, path: () => path });
  await control.open();
  unlinkSync(path);
  control.handOver();
  control.look();
  await control.close();
  assert.deepEqual(warnings, []);
});

test('a socket that somebody else serves is left alone, but for that of a supervisor that is replaced', async t => {
  const project = createProject(t, {});
  const path = project.path('other.sock');
  const stranger = net.createServer(socket => socket.on('error', () => {}).end('it is me'));
  cleanUp(t, () => stranger.close());
  stranger.listen(path);
  await once(stranger, 'listening');
  const warnings: string[] = [];
  const logger = pino({ level: 'warn' }, { write: line => warnings.push(JSON.parse(line).msg) });
  const control = new Control({ logger, handlers: {} as Handlers, path: () => path });
  const { ino } = statSync(path);
  await control.open();
  assert.equal(statSync(path).ino, ino);
  assert.match(
    warnings.join(),
    /other\.sock: another process serves it; commands cannot reach this supervisor/,
  );
  await control.takeOver();
  assert.notEqual(statSync(path).ino, ino);
  await control.close();
});

test('what answers on a socket and is no supervisor is called so', async t => {
  const project = createProject(t, {});
  const stranger = net.createServer(socket => socket.end('-ERR unknown command\r\n'));
  cleanUp(t, () => stranger.close());
  stranger.listen(project.path('redis.sock'));
  await once(stranger, 'listening');
  await assert.rejects(connect(project.path('redis.sock')).status(), { code: 'PH_ERR_CONTROL_ANSWER' });
});
