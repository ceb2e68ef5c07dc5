import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import type { Configuration } from '../../src/config/types.ts';
import { BindError } from '../../src/errors.ts';
import { Listeners, type ListenersOptions } from '../../src/supervisor/listeners.ts';
import type { HeldSocket } from '../../src/supervisor/listening-socket.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { createProject } from '../helpers/project.ts';

function setUp(t: TestContext) {
  const project = createProject(t, { 'app.js': '' });
  return {
    project,
    /** The sections s0, s1, … with these values of `bind`. */
    configure(...binds: string[]) {
      const sections = binds.map((bind, at) => `[s${at}]\ntask = app.js\nbind = ${bind}\n`);
      const file = project.write('ph.ini', sections.join(''));
      return loadConfiguration({ file, directory: project.directory, env: {} });
    },
    /** Closed when the test ends. */
    listeners(options?: ListenersOptions) {
      const listeners = new Listeners(options);
      cleanUp(t, () => listeners.close());
      return listeners;
    },
  };
}

/** What another process would hold: here it is the next owner that closes them. */
async function bindForOthers(configuration: Configuration) {
  const listeners = new Listeners();
  const prepared = await listeners.prepare(configuration);
  prepared.commit();
  return { listeners, sockets: [...configuration.sections.keys()].flatMap(name => prepared.of(name)) };
}

/** `connected`, or why not. Whoever is in the queue of a socket is connected. */
function connect(address: string): Promise<string> {
  const { host, port, path } = /^unix:(?<path>.*)|(?<host>.*):(?<port>\d+)$/.exec(address)?.groups ?? {};
  return new Promise(resolve => {
    const socket = path ? net.connect(path) : net.connect(Number(port), host);
    socket.on('connect', () => resolve('connected'));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code as string));
    socket.on('close', () => socket.destroy());
    socket.unref();
  });
}

const addressesOf = (sockets: readonly { readonly address: string }[]) =>
  sockets.map(({ address }) => address);

test('bound addresses take connections before anybody accepts, and none once they are closed', async t => {
  const { configure, listeners, project } = setUp(t);
  const own = listeners();
  const prepared = await own.prepare(configure('127.0.0.1:0, unix:a.sock', '127.0.0.1:0'));
  prepared.commit();
  const addresses = addressesOf([...prepared.of('s0'), ...prepared.of('s1')]);
  assert.equal(addresses[1], `unix:${project.path('a.sock')}`);
  assert.equal(new Set(addresses).size, 3);
  for (const address of addresses) assert.equal(await connect(address), 'connected');
  own.close();
  assert.deepEqual(await Promise.all(addresses.map(connect)), ['ECONNREFUSED', 'ENOENT', 'ECONNREFUSED']);
  assert.deepEqual([...own.held], []);
});

test('an address that stays keeps its socket; one that goes is closed at the commit', async t => {
  const { configure, listeners } = setUp(t);
  const own = listeners();
  const first = await own.prepare(configure('127.0.0.1:0, unix:a.sock'));
  first.commit();
  const [tcp, unix] = first.of('s0');
  const second = await own.prepare(configure('unix:b.sock, 127.0.0.1:0'));
  assert.equal(await connect(unix?.address as string), 'connected', 'nothing is given up before');
  second.commit();
  assert.equal(second.of('s0')[1], tcp);
  assert.equal(await connect(tcp?.address as string), 'connected');
  assert.equal(await connect(unix?.address as string), 'ENOENT');
  assert.equal(await connect(second.of('s0')[0]?.address as string), 'connected');
});

test('a rollback, and a failure at one address, leave everything as it was', async t => {
  const { configure, listeners, project } = setUp(t);
  const own = listeners();
  const first = await own.prepare(configure('127.0.0.1:0'));
  first.commit();
  const held = own.held;
  const { address } = first.of('s0')[0] as HeldSocket;

  const second = await own.prepare(configure('unix:b.sock'));
  assert.ok(existsSync(project.path('b.sock')));
  second.rollback();
  assert.ok(!existsSync(project.path('b.sock')));

  const third = own.prepare(configure(`unix:b.sock, ${address}`, 'fd://1, 192.0.2.1:0'));
  const { problems } = await third.then(
    () => assert.fail('cannot be prepared'),
    error => {
      assert.ok(error instanceof BindError);
      return error;
    },
  );
  assert.deepEqual(
    problems.map(({ line, section, key, code, message }) => [line, section, key, code, message]),
    [
      [3, 's0', 'bind', 'PH_ERR_BIND', `${address} is in use`],
      [6, 's1', 'bind', 'PH_ERR_BIND', 'fd://1 is no listening socket that this process was started with'],
      [6, 's1', 'bind', 'PH_ERR_BIND', '192.0.2.1:0 is no address of this machine'],
    ],
  );
  assert.ok(!existsSync(project.path('b.sock')));
  assert.deepEqual(own.held, held);
  assert.equal(await connect(address), 'connected');
});

test('an address that moves to another section is kept: who had it must not seal it', async t => {
  const { configure, listeners } = setUp(t);
  const own = listeners();
  const first = await own.prepare(configure('unix:a.sock, unix:b.sock', 'unix:c.sock'));
  first.commit();
  const second = await own.prepare(configure('unix:c.sock', 'unix:a.sock'));
  second.commit();
  const ends = [...first.of('s0'), ...first.of('s1')].map(({ end }) => end);
  assert.deepEqual(ends, ['kept', 'sealed', 'kept']);
});

test('a rollback after all has been closed closes what is new, and nothing twice', async t => {
  const { configure, listeners, project } = setUp(t);
  const own = listeners();
  const first = await own.prepare(configure('unix:a.sock'));
  first.commit();
  const second = await own.prepare(configure('unix:a.sock, unix:b.sock'));
  own.close();
  // The number of the fd is another's now.
  const taken = first.of('s0')[0]?.fd as number;
  for (let fd = -1; fd !== taken; ) {
    fd = openSync(project.path('app.js'), 'r');
    const opened = fd;
    cleanUp(t, () => closeSync(opened));
    assert.ok(fd <= taken);
  }
  second.rollback();
  assert.ok(fstatSync(taken).isFile());
  assert.ok(!existsSync(project.path('b.sock')));
});

test('a symbolic link is no place for a socket, wherever it leads', async t => {
  const { configure, listeners, project } = setUp(t);
  const configuration = configure('unix:a.sock');
  symlinkSync('nowhere', project.path('a.sock'));
  await assert.rejects(listeners().prepare(configuration), {
    message: /a\.sock is a symbolic link: name the path that it leads to$/,
  });
});

test('another supervisor goes on with what is held, and who has handed it over removes no file', async t => {
  const { configure, listeners, project } = setUp(t);
  const configuration = configure('127.0.0.1:0, unix:a.sock');
  const { listeners: old, sockets: before } = await bindForOthers(configuration);
  const next = listeners({ inherited: old.held });
  const after = await next.prepare(configuration);
  after.commit();
  assert.deepEqual(addressesOf(after.of('s0')), addressesOf(before));
  assert.deepEqual(next.held, old.held);
  old.handOver();
  assert.deepEqual(
    before.map(({ end }) => end),
    ['kept', 'kept'],
  );
  assert.deepEqual(
    after.of('s0').map(({ end }) => end),
    ['kept', 'kept'],
    'as long as it may yet fail',
  );
  next.takeCharge();
  assert.ok(existsSync(project.path('a.sock')));
  next.close();
  assert.ok(!existsSync(project.path('a.sock')), 'it is the next one that removes it');
});

test('S28 a Unix socket whose file was gone before it was inherited is bound anew', async t => {
  const { configure, listeners, project } = setUp(t);
  const configuration = configure('unix:a.sock');
  const { listeners: old } = await bindForOthers(configuration);
  renameSync(project.path('a.sock'), project.path('b.sock'));
  const next = listeners({ inherited: old.held });
  const prepared = await next.prepare(configuration);
  prepared.commit();
  assert.equal(await connect(addressesOf(prepared.of('s0'))[0] as string), 'connected');
});

test('what was inherited and nobody asks for is closed, once', async t => {
  const { configure, listeners } = setUp(t);
  const { listeners: old } = await bindForOthers(configure('127.0.0.1:0', 'unix:a.sock'));
  const next = listeners({ inherited: old.held });
  old.handOver();
  const prepared = await next.prepare(configure('127.0.0.1:0'));
  prepared.commit();
  assert.match(next.closeUnclaimed().join(), /^unix:.*a\.sock$/);
  assert.deepEqual(next.closeUnclaimed(), []);
  assert.equal(await connect(addressesOf(prepared.of('s0'))[0] as string), 'connected');
});

test('sockets of a service manager are found by name and by number, and their files are not ours', async t => {
  const { configure, listeners, project } = setUp(t);
  const { sockets } = await bindForOthers(configure('127.0.0.1:0, unix:a.sock', '127.0.0.1:0'));
  const [tcp, unix, other] = sockets as unknown as [HeldSocket, HeldSocket, HeldSocket];
  const own = listeners({ activated: [tcp.fd, unix.fd, other.fd] });
  const prepared = await own.prepare(configure(`${tcp.address}, unix:a.sock`, `fd://${other.fd}`));
  prepared.commit();
  assert.deepEqual(
    [...prepared.of('s0'), ...prepared.of('s1')].map(({ fd, address, maker }) => [fd, address, maker]),
    [tcp, unix, other].map(({ fd, address }) => [fd, address, 'others']),
  );
  assert.deepEqual([...own.foreign], [...own.held.keys()]);
  assert.deepEqual(own.closeUnclaimed(), []);
  own.close();
  assert.equal(prepared.of('s0')[0]?.end, 'left');
  assert.ok(existsSync(project.path('a.sock')));
});

test('one socket is not given away twice', async t => {
  const { configure, listeners } = setUp(t);
  const { sockets } = await bindForOthers(configure('127.0.0.1:0'));
  const { fd, address } = sockets[0] as HeldSocket;
  const own = listeners({ activated: [fd] });
  await assert.rejects(own.prepare(configure(address, `fd://${fd}`)), {
    name: 'BindError',
    message: new RegExp(`\\[s1\\] bind: fd://${fd} is in use for ${address}$`),
  });
  (await own.prepare(configure(address))).commit();
  assert.equal(own.held.get(address), fd);
});

test('S28 a Unix socket whose file is gone is known as lost, and bound anew by the next preparation', async t => {
  const { configure, listeners, project } = setUp(t);
  const own = listeners();
  const configuration = configure('unix:a.sock');
  const first = await own.prepare(configuration);
  first.commit();
  assert.deepEqual(own.lost, []);

  renameSync(project.path('a.sock'), project.path('b.sock'));
  assert.deepEqual(own.lost, first.of('s0'));
  const second = await own.prepare(configuration);
  assert.notEqual(second.of('s0')[0], first.of('s0')[0]);
  second.commit();
  assert.deepEqual(own.lost, []);
  assert.ok(statSync(project.path('a.sock')).isSocket());
});

test("S23 a file that somebody has put in the socket's place stays", async t => {
  const { configure, listeners, project } = setUp(t);
  const own = listeners();
  const configuration = configure('unix:a.sock');
  const first = await own.prepare(configuration);
  first.commit();
  renameSync(project.path('a.sock'), project.path('b.sock'));
  writeFileSync(project.path('a.sock'), '');
  assert.equal(own.lost[0]?.file, 'replaced');
  const second = await own.prepare(configuration);
  assert.equal(second.of('s0')[0], first.of('s0')[0]);
  second.commit();
  own.close();
  assert.ok(existsSync(project.path('a.sock')));
});

test('a new supervisor that does not take charge leaves what it has inherited as it was', async t => {
  const { configure, listeners, project } = setUp(t);
  const configuration = configure('unix:a.sock');
  const { listeners: old } = await bindForOthers(configuration);
  const next = listeners({ inherited: old.held });
  (await next.prepare(configuration)).commit();
  next.close();
  assert.ok(existsSync(project.path('a.sock')));
});
