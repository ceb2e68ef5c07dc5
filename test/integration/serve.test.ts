import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import autocannon from 'autocannon';
import { cleanUp } from '../helpers/cleanup.ts';
import { addressesOf, Client, connect, fetchBody, get, lastGet, target } from '../helpers/clients.ts';
import { isReadyLine, type LogRecord, type Ph, type PhOptions, runPh, startPh } from '../helpers/ph.ts';
import { rssOf, until } from '../helpers/processes.ts';
import { createProject, iniText } from '../helpers/project.ts';
import { servingModule, slowAnswers } from '../helpers/serving.ts';

type Keys = Readonly<Record<string, string | number>>;

async function start(t: TestContext, module: string, keys: Keys = {}, options: Partial<PhOptions> = {}) {
  const config = { task: 'app.mjs', threads: 0, bind: '127.0.0.1:0', ...keys };
  const project = createProject(t, { 'app.mjs': module, 'ph.ini': iniText({ web: config }) });
  const ph = startPh(t, ['run'], { cwd: project.directory, ...options });
  const workers = await ph.ready();
  const addresses = await addressesOf(ph, config.bind.split(',').length);
  return { ph, workers, project, addresses, address: addresses[0] as string };
}

const isDrained = ({ exit }: LogRecord) => exit === 'drained';
const isRetiring = /retires: max_requests/;

/** How a request on a connection of its own went, and when it was begun. */
interface Attempt {
  readonly begun: number;
  readonly ended: 'answered' | 'refused' | string;
  readonly at: number;
}

/** One request after another, each on a connection of its own, until one is refused. */
async function keepAsking(address: string, attempts: Attempt[]): Promise<void> {
  let ended = '';
  while (ended !== 'refused') {
    const begun = performance.now();
    const client = new Client(address).send(lastGet('/'));
    ended = await client.ended;
    client.socket.destroy();
    if (/^HTTP\/1\.1 200 .*\r\n\r\npid \d+$/s.test(client.received)) ended = 'answered';
    attempts.push({ begun, ended, at: performance.now() });
  }
}

/** Clients at each address, of which each ends with its first refusal. */
function load(addresses: readonly string[]) {
  const attempts = addresses.map(() => [] as Attempt[]);
  const clients = addresses.flatMap((address, at) =>
    Array.from({ length: 8 }, () => keepAsking(address, attempts[at] as Attempt[])),
  );
  return {
    underWay: () => until('the load is under way', () => attempts.every(({ length }) => length >= 100)),
    /** Waits for the refusals, and makes sure that there was nothing but answers before. */
    async firstAnswersThenRefusals() {
      await Promise.all(clients);
      for (const each of attempts) {
        const outcomes = new Set(each.map(({ ended }) => ended));
        assert.deepEqual([...outcomes].sort(), ['answered', 'refused']);
        const firstRefusal = Math.min(...each.filter(({ ended }) => ended === 'refused').map(({ at }) => at));
        const late = each.filter(({ begun, ended }) => ended === 'answered' && begun > firstRefusal);
        assert.deepEqual(late, []);
      }
    },
  };
}

test('S03 TERM in mid-load: first answers, then refusals, and nothing else; over TCP and a Unix socket', async t => {
  const keys = { bind: '127.0.0.1:0, unix:a.sock', number_workers: 2 };
  const { ph, addresses } = await start(t, slowAnswers, keys);
  const clients = load(addresses);
  await clients.underWay();
  const exit = await ph.stop();
  assert.equal(exit.code, 0);
  assert.equal(ph.records.filter(isDrained).length, 2, exit.stderr);
  await clients.firstAnswersThenRefusals();
});

test('how the last worker closes a socket is nothing that another one learns of', async t => {
  const module = `
    import net from 'node:net';
    import { Worker } from 'processhandler';
    export default class extends Worker {
      async initProcess() {
        await this.serve(net.createServer(socket => {
          this.logger.info('somebody connects');
          socket.end('hello');
        }));
      }
    }`;
  const { ph } = await start(t, module, { number_workers: 4 });
  const exit = await ph.stop();
  assert.equal(exit.code, 0);
  assert.equal(ph.records.filter(isDrained).length, 4, exit.stderr);
  assert.ok(!exit.stderr.includes('somebody connects'), exit.stderr);
});

test('S03 addresses that a reload takes away in mid-load: first answers, then refusals, and nothing else', async t => {
  const keys = { bind: '127.0.0.1:0, unix:a.sock', number_workers: 2 };
  const { ph, addresses, project } = await start(t, slowAnswers, keys);
  const clients = load(addresses);
  await clients.underWay();
  const next = { task: 'app.mjs', threads: 0, number_workers: 2, bind: 'unix:b.sock' };
  project.write('ph.ini', iniText({ web: next }));
  ph.signal('SIGHUP');
  await clients.firstAnswersThenRefusals();
  assert.match(await fetchBody(`unix:${project.path('b.sock')}`), /^pid/);
});

test('at TERM all who wait in the accept queue are answered, also those behind a busy worker', async t => {
  const { ph, addresses } = await start(t, slowAnswers, { bind: '127.0.0.1:0, unix:a.sock' });
  const [tcp] = addresses as [string, string];
  const blocking = connect(t, tcp).send(get('/block?ms=500'));
  await ph.log('blocking');
  const waiting = addresses.flatMap(address => Array.from({ length: 60 }, () => connect(t, address)));
  await Promise.all(waiting.map(client => client.connected()));
  // Half of them say what they want only when the supervisor has been told to stop.
  for (const client of waiting.slice(0, 60)) client.send(get('/'));
  ph.signal('SIGTERM');
  await ph.log('stopping');
  for (const client of waiting.slice(60)) client.send(get('/'));
  // It was answered before the worker could hear of the stop.
  await blocking.until(/Connection: keep-alive[\s\S]*pid \d+$/);
  assert.equal(await blocking.ended, 'end');
  for (const client of waiting) {
    await client.until(/\r\nConnection: close\r\n[\s\S]*pid \d+$/);
    assert.equal(await client.ended, 'end');
  }
  assert.equal((await ph.exit).code, 0);
});

test('at TERM an idle connection is closed, one with a request gets its answer, and that is its last', async t => {
  const { ph, address } = await start(t, slowAnswers);
  const [idle, slow, streaming, late, silent] = Array.from({ length: 5 }, () => connect(t, address)) as Five;
  for (const client of [idle, late]) {
    await client.send(get('/')).until(/pid \d+$/);
    assert.match(client.received, /\r\nConnection: keep-alive\r\n/);
    client.received = '';
  }
  slow.send(get('/slow?ms=600'));
  await streaming.send(get('/stream?ms=600')).until(/begun/);
  await silent.connected();

  ph.signal('SIGTERM');
  await ph.log('draining');
  // Sent to a connection that the server may take for idle, but has not closed yet.
  await late.send(get('/')).until(/Connection: close[\s\S]*pid \d+$/);
  assert.equal(await idle.ended, 'end');
  assert.equal(idle.received, '');
  assert.equal(slow.received, '', 'nobody waits for the slow ones');
  await slow.until(/Connection: close[\s\S]*pid \d+$/);
  await streaming.until(/Connection: keep-alive[\s\S]*begun[\s\S]*pid/);
  for (const client of [slow, streaming, late, silent]) assert.equal(await client.ended, 'end');
  assert.equal((await ph.exit).code, 0);
  assert.equal(ph.records.filter(isDrained).length, 1);
});

type Five = [Client, Client, Client, Client, Client];

test('S06 what is stuck longer than graceful_timeout is cut at a stop and a reload, and the log counts it', async t => {
  const { ph, address, workers } = await start(t, slowAnswers, { graceful_timeout: '300ms' });
  const stuck = connect(t, address).send(get('/never'));
  await ph.log('never answered');
  connect(t, address).send('GET / HT');
  await fetchBody(address);
  ph.signal('SIGHUP');
  const cut = await ph.log(/is cut off, with no task in flight, with 2 open connections \(1 request\)$/);
  assert.deepEqual([cut.workerPid, cut.connections, cut.requests], [workers.get(1), 2, 1]);
  assert.equal(await stuck.ended, 'end');
  const mark = ph.records.length;
  const again = connect(t, address).send(get('/never'));
  await ph.log('never answered', mark);
  assert.equal((await ph.stop()).code, 0);
  await ph.log(/cut off.*1 open connection \(1 request\)$/, mark);
  assert.equal(await again.ended, 'end');
  assert.equal(`${stuck.received}${again.received}`, '');
});

test('a killed worker loses its own connections only; who waits is served by the others, or by its replacement', async t => {
  const { ph, address, workers } = await start(t, slowAnswers, { number_workers: 2 });
  const [victim, survivor] = [...workers.values()] as [number, number];
  const clients = new Map<Client, number>();
  // Which worker accepts is up to the kernel.
  for (let tries = 0; tries < 20 && new Set(clients.values()).size < 2; tries++) {
    const more = Array.from({ length: 10 }, () => connect(t, address).send(get('/')));
    for (const client of more) clients.set(client, Number((await client.until(/pid (\d+)$/))[1]));
  }
  assert.deepEqual(new Set(clients.values()), new Set([victim, survivor]));
  process.kill(victim, 'SIGKILL');
  for (const [client, pid] of clients) {
    if (pid === victim) await client.ended;
    else await client.send(get('/')).until(new RegExp(`pid ${survivor}HTTP[^]*pid ${survivor}$`));
  }

  await ph.nextReady(ph.records.findIndex(({ exit }) => exit === 'killed'));
  const pids = ph.workers;
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const orphans = Array.from({ length: 20 }, () => connect(t, address).send(get('/')));
  for (const client of orphans) {
    const [, pid] = await client.until(/pid (\d+)$/);
    assert.ok(!pids.includes(Number(pid)));
  }
});

test('each of the workers takes connections', async t => {
  const { address, workers } = await start(t, slowAnswers, { number_workers: 2 });
  const counts = new Map([...workers.values()].map(pid => [`pid ${pid}`, 0]));
  for (let round = 0; round < 50 && Math.min(...counts.values()) === 0; round++) {
    const bodies = await Promise.all(Array.from({ length: 20 }, () => fetchBody(address, '/block?ms=1')));
    for (const body of bodies) counts.set(body, (counts.get(body) as number) + 1);
  }
  assert.equal(counts.size, 2);
  // Whoever wakes up first may take all that wait by then: how even it is, `bench/rpc.ts` measures.
  assert.ok(Math.min(...counts.values()) > 0, `${[...counts.values()]}`);
});

test('max_requests counts HTTP requests, HTTP/2 streams and other connections', async t => {
  const module = servingModule(
    `async initProcess() {
      const [one, two, three] = this.listeners;
      await this.serve(http.createServer((_, response) => response.end('one')), one);
      await this.serve(http2.createServer((_, response) => response.end('two')), two);
      await this.serve(net.createServer(socket => socket.end('three')), three);
    }`,
  );
  const bind = '127.0.0.1:0, 127.0.0.2:0, 127.0.0.3:0';
  const { ph, addresses } = await start(t, module, { bind, max_requests: 3 });
  for (const [kind, address] of addresses.entries()) {
    const mark = ph.records.length;
    const session = kind === 1 ? http2Session(t, address) : undefined;
    const client = kind === 0 ? connect(t, address) : undefined;
    for (let count = 1; count <= 3; count++) {
      assert.ok(!ph.records.slice(mark).some(({ msg }) => isRetiring.test(msg)), `after ${count - 1}`);
      if (session) await http2Get(session);
      else if (client) await client.send(get('/')).until(new RegExp(`^(HTTP[^]*?one){${count}}$`));
      else await connect(t, address).whole();
    }
    await ph.log(isRetiring, mark);
    await ph.log(isDrained, mark);
  }
});

function http2Session(t: TestContext, address: string, options: http2.SecureClientSessionOptions = {}) {
  const { host, port } = target(address) as { host: string; port: number };
  const scheme = options.createConnection ? 'https' : 'http';
  const session = http2.connect(`${scheme}://${host}:${port}`, options);
  session.on('error', () => {});
  cleanUp(t, () => session.destroy());
  return session;
}

async function http2Get(session: http2.ClientHttp2Session, path = '/'): Promise<string> {
  const stream = session.request({ ':path': path });
  let body = '';
  stream.on('data', chunk => {
    body += chunk;
  });
  await once(stream, 'end');
  return body;
}

test('HTTP/2 at TERM, plain and over TLS: GOAWAY, open streams end as they would, idle sessions are closed', async t => {
  const { ph, addresses } = await start(
    t,
    servingModule(
      `async initProcess() {
        const answer = ({ url, httpVersion }, response) => {
          console.log(url);
          setTimeout(() => response.end('HTTP ' + httpVersion), url === '/slow' ? 1300 : 0);
        };
        const psk = { pskCallback: () => Buffer.from('key'), ciphers: 'PSK', maxVersion: 'TLSv1.2' };
        await this.serve(http2.createServer(answer), this.listeners[0]);
        await this.serve(http2.createSecureServer({ ...psk, allowHTTP1: true }, answer), this.listeners[1]);
      }`,
    ),
    { bind: '127.0.0.1:0, 127.0.0.2:0' },
  );
  const connectTls = (protocol: string) => {
    const psk = { psk: Buffer.from('key'), identity: 'test' };
    return tls.connect({
      ...(target(addresses[1] as string) as { host: string; port: number }),
      ALPNProtocols: [protocol],
      ciphers: 'PSK',
      maxVersion: 'TLSv1.2',
      checkServerIdentity: () => undefined,
      pskCallback: () => psk,
    });
  };
  const sessions = [
    http2Session(t, addresses[0] as string),
    http2Session(t, addresses[0] as string),
    http2Session(t, addresses[1] as string, { createConnection: () => connectTls('h2') }),
  ];
  for (const session of sessions) assert.equal(await http2Get(session), 'HTTP 2.0');
  const old = connectTls('http/1.1');
  old.write(get('/slow'));
  // Before any of the others is waited for: it may be the first to end.
  const oldEnds = once(old, 'end');
  let received = '';
  old.on('data', chunk => {
    received += chunk;
  });
  const [busy, idle, secure] = sessions as [Session, Session, Session];
  const slow = [busy, secure].map(session => http2Get(session, '/slow'));
  const goaways = sessions.map(session => once(session, 'goaway'));
  const closes = sessions.map(session => once(session, 'close'));
  await ph.logs('/slow', 3);
  ph.signal('SIGTERM');
  for (const goaway of goaways) assert.equal((await goaway)[0], http2.constants.NGHTTP2_NO_ERROR);
  await closes[1];
  assert.ok(idle.destroyed && !busy.destroyed && !secure.destroyed);
  assert.deepEqual(await Promise.all(slow), ['HTTP 2.0', 'HTTP 2.0']);
  await Promise.all(closes);
  await oldEnds;
  assert.match(received, /Connection: close[\s\S]*HTTP 1\.1/);
  assert.equal((await ph.exit).code, 0);
  assert.equal(ph.records.filter(isDrained).length, 1);
});

type Session = http2.ClientHttp2Session;

test('connections of a protocol of its own end as the Worker wants, then stop() is called', async t => {
  const { ph, address } = await start(
    t,
    servingModule(
      `async initProcess() {
        const server = net.createServer(socket => {
          socket.write('hello');
          this.signal.addEventListener('abort', () => setTimeout(() => socket.end(' goodbye'), 300));
        });
        await this.serve(server);
      }
      stop() { console.log('stop() called'); }`,
    ),
  );
  const client = connect(t, address);
  await client.until(/hello/);
  ph.signal('SIGTERM');
  await client.until(/^hello goodbye$/);
  assert.ok(!ph.records.some(({ msg }) => msg === 'stop() called'));
  client.socket.end();
  assert.equal((await ph.exit).code, 0);
  await ph.log('stop() called');
});

test('Fastify is served by its own server, and closed in stop()', async t => {
  const { ph, address } = await start(
    t,
    servingModule(
      `async initProcess() {
        this.app = fastify();
        this.app.get('/', () => ({ hello: 'world' }));
        this.app.get('/slow', () => {
          console.log('slow');
          return new Promise(resolve => this.signal.addEventListener('abort', () => resolve({ slow: true })));
        });
        this.app.addHook('onClose', () => console.log('closed'));
        await this.app.ready();
        await this.serve(this.app.server);
      }
      stop() { return this.app.close(); }`,
      `import fastify from '${import.meta.resolve('fastify')}';`,
    ),
  );
  assert.equal(await fetchBody(address), '{"hello":"world"}');
  const slow = connect(t, address).send(get('/slow'));
  await ph.log('slow');
  ph.signal('SIGTERM');
  await slow.until(/connection: close[\s\S]*\{"slow":true\}$/i);
  assert.equal((await ph.exit).code, 0);
  await ph.log('closed');
});

test('serve() without bind, and for a listener that is not there, keeps the worker from booting and says why', async t => {
  const module = servingModule(
    `initProcess() { return this.serve(http.createServer(), this.listeners[1]); }`,
  );
  const project = createProject(t, { 'app.mjs': module });
  for (const bind of ['', '127.0.0.1:0']) {
    const args = ['run', 'app.mjs', '-t', '0', '--bind', bind];
    const { code, stderr } = await runPh(t, args, { cwd: project.directory });
    assert.match(stderr, /NoListenerError.*: \[app\] has no such listening socket: add bind = HOST:PORT/);
    assert.equal(code, 5);
  }
});

test('a second server on a listener keeps the worker from booting and says why', async t => {
  const module = servingModule(
    `async initProcess() { for (const _ of [1, 2]) await this.serve(http.createServer()); }`,
  );
  const project = createProject(t, { 'app.mjs': module });
  const args = ['run', 'app.mjs', '-t', '0', '--bind', 'unix:a.sock'];
  const { code, stderr } = await runPh(t, args, { cwd: project.directory });
  assert.match(
    stderr,
    /ListenerTakenError.*: \[app\] unix:.*a\.sock has a server already: each listener takes one/,
  );
  assert.equal(code, 5);
});

/** A request that is answered within `limit` ms. */
async function answersWithin(address: string, limit: number): Promise<void> {
  const begun = performance.now();
  assert.match(await fetchBody(address), /^pid /);
  const took = performance.now() - begun;
  assert.ok(took < limit, `${took} ms`);
}

test('slow, silent and cut-off clients, and one that never reads, disturb nobody, and memory stays bounded', async t => {
  const { ph, address, workers } = await start(t, slowAnswers, { graceful_timeout: '2s' });
  const pid = workers.get(1) as number;
  for (let i = 0; i < 50; i++) await fetchBody(address);
  const before = rssOf(pid);

  const idle = Array.from({ length: 1000 }, () => connect(t, address));
  await Promise.all(idle.map(client => client.connected()));
  const slow = connect(t, address).send('GET / HTTP/1.1\r\nHo');
  const body = connect(t, address).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf');
  const cut = connect(t, address).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf');
  await cut.connected();
  cut.socket.resetAndDestroy();
  const halfOpen = connect(t, address).send('GET / HTTP/1.1\r\nHo');
  halfOpen.socket.end();
  const deaf = Array.from({ length: 20 }, () => connect(t, address));
  for (const client of deaf) {
    client.socket.pause();
    client.send(get('/much'));
  }
  await ph.logs('much', deaf.length);
  for (let i = 0; i < 20; i++) await answersWithin(address, 500);
  assert.equal(await halfOpen.ended, 'end');
  const grown = rssOf(pid) - before;
  assert.ok(grown < 64 * 2 ** 20, `${grown >> 20} MB more`);
  slow.send('st: x\r\n\r\n');
  await slow.until(/pid \d+$/);

  const begun = performance.now();
  assert.equal((await ph.stop()).code, 0);
  assert.ok(performance.now() - begun < 5000);
  const { connections } = await ph.log(/cut off/);
  assert.equal(connections, deaf.length + 1);
  assert.equal(await body.ended, 'end');
  // They had not said anything, and were not waited for.
  for (const client of idle) assert.equal(await client.ended, 'end');
});

test('S54 more connections than file descriptors: the worker lives on, and answers when there are some again', async t => {
  const launcher = ['bash', '-c', 'ulimit -n 90; exec "$@"', 'bash'];
  const { ph, address, workers } = await start(t, slowAnswers, { timeout: '500ms' }, { launcher });
  const flood = Array.from({ length: 200 }, () => connect(t, address));
  await Promise.all(flood.map(client => client.connected()));
  // Those for whom there is none are closed.
  await Promise.any(flood.map(client => client.ended));
  // Heartbeats go on meanwhile, ten a second.
  await delay(500);
  for (const client of flood) client.socket.destroy();
  // The worker has to hear of their end first.
  let answer: string | undefined;
  while (answer === undefined) answer = await fetchBody(address).catch(() => undefined);
  assert.equal(answer, `pid ${workers.get(1)}`);
  assert.ok(!ph.records.some(({ level }) => level >= 50));
});

test('S01 three reloads under load from clients that keep their connections: no request fails', async t => {
  const { ph, address } = await start(t, slowAnswers, { number_workers: 2 });
  const load = autocannon({ url: `http://${address}/`, connections: 20, duration: 60 }, () => {});
  const done = once(load, 'done') as Promise<[autocannon.Result]>;
  cleanUp(t, () => load.stop?.());
  for (let generation = 2; generation <= 4; generation++) {
    ph.signal('SIGHUP');
    await ph.log(`generation ${generation} serves with 2 workers`);
    await ph.logs(isDrained, 2 * (generation - 1));
  }
  load.stop?.();
  const [{ errors, timeouts, non2xx, resets, requests }] = await done;
  assert.deepEqual({ errors, timeouts, non2xx }, { errors: 0, timeouts: 0, non2xx: 0 });
  assert.ok(requests.total > 1000, `${requests.total} requests, ${resets} connections made again`);
  assert.equal(new Set(ph.records.filter(isReadyLine).map(({ workerPid }) => workerPid)).size, 8);
  await answersOf(ph);
});

/** Nothing but what belongs to reloads has been logged as a warning or worse. */
async function answersOf({ records }: Ph): Promise<void> {
  assert.deepEqual(
    records.filter(({ level }) => level >= 40),
    [],
  );
}
