import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import os from 'node:os';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker as Thread } from 'node:worker_threads';
import { bindTcp } from '../../src/supervisor/bind.ts';
import { takeWaiting } from '../../src/worker/accept-queue.ts';
import { cleanUp } from '../helpers/cleanup.ts';

/** In which all has to end, ms. */
const time = 30_000;

/** Connects again and again from several places at once, until a connection is refused or the server is gone. */
const clients = `
const net = require('node:net');
const { parentPort, workerData } = require('node:worker_threads');
let count;
let isOver = false;
const open = new Set();
function again(port) {
  let isConnected = false;
  let answer = '';
  const socket = net.connect(port, workerData.host);
  open.add(socket);
  socket.on('connect', () => { isConnected = true; socket.write('?'); });
  socket.on('data', chunk => { answer += chunk; });
  socket.on('error', () => {});
  socket.on('close', () => {
    open.delete(socket);
    if (answer === 'ok') count.answered++;
    else if (isConnected) count.lost++;
    if (!isOver && answer === 'ok') again(port);
    else if (open.size === 0 && isOver) parentPort.postMessage(count);
  });
}
parentPort.on('message', port => {
  if (port) {
    isOver = false;
    count = { answered: 0, lost: 0 };
    for (let i = 0; i < 4; i++) again(port);
    return;
  }
  isOver = true;
  // The kernel answers these only when they ask again, a second later.
  for (const socket of open) if (socket.connecting) socket.destroy();
  if (open.size === 0) parentPort.postMessage(count);
});
`;

async function startClients(t: TestContext, host: string): Promise<Thread> {
  const thread = new Thread(clients, { eval: true, workerData: { host } });
  cleanUp(t, () => thread.terminate());
  await once(thread, 'online');
  return thread;
}

/** A server that answers who connects, on a socket that others could have as well. */
async function listen(host: string) {
  const socket = bindTcp(host, 0);
  socket.listen(100);
  let accepted = 0;
  const server = net.createServer(connection => {
    accepted++;
    // Our own filler, which is accepted where sealing has to be tried again, says nothing, and is gone by then.
    connection.on('error', () => {}).once('data', () => connection.end('ok'));
  });
  server.listen({ fd: socket.fd });
  await once(server, 'listening');
  return { server, port: socket.name?.port as number, accepted: () => accepted };
}

for (const host of ['127.0.0.1', '::1', '0.0.0.0', '::']) {
  test(`once all are taken nobody can connect to ${host} any more, although it is not closed yet`, async t => {
    const { server, port, accepted } = await listen(host);
    const target = host.includes(':') ? '::1' : '127.0.0.1';
    const early = net.connect(port, target);
    early.write('?');
    assert.equal(String((await once(early, 'data'))[0]), 'ok');
    await takeWaiting(server, true, time);
    const before = accepted();
    const late = net.connect(port, target).on('error', () => {});
    cleanUp(t, () => late.destroy());
    const outcome = await Promise.race([once(late, 'connect').then(() => 'connected'), delay(200, 'waits')]);
    assert.equal(outcome, 'waits');
    assert.equal(accepted(), before);
    server.close();
    await once(server, 'close');
  });
}

test('under load nobody who has connected is left unanswered when the last server closes', async t => {
  const thread = await startClients(t, '127.0.0.1');
  // A server that just closes leaves one or two in nearly every round.
  for (let round = 0; round < 10; round++) {
    const { server, port, accepted } = await listen('127.0.0.1');
    thread.postMessage(port);
    while (accepted() < 20) await once(server, 'connection');
    await takeWaiting(server, true, time);
    server.close();
    await once(server, 'close');
    thread.postMessage(0);
    const [{ answered, lost }] = (await once(thread, 'message')) as [{ answered: number; lost: number }];
    assert.ok(answered >= 20);
    assert.equal(lost, 0, `round ${round}`);
  }
});

test('of a socket that others hold as well, only those who wait are taken', async t => {
  const { server, port } = await listen('127.0.0.1');
  cleanUp(t, () => server.close());
  const waiting = Array.from({ length: 20 }, () => net.connect(port, '127.0.0.1'));
  for (const socket of waiting) socket.write('?');
  const answers = waiting.map(async socket => String(await once(socket, 'data')));
  await Promise.all(waiting.map(socket => once(socket, 'connect')));
  await takeWaiting(server, false, time);
  server.close();
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['ok']));
});

test('connections of our own are hidden from the server, also where taking all places had to be tried again', async t => {
  const { server, port, accepted } = await listen('127.0.0.1');
  // Somebody who speaks first, and does not expect that the other side is gone.
  server.on('connection', connection => connection.write('hello '));
  const { connect } = net;
  let stranger: net.Socket | undefined;
  t.mock.method(net, 'connect', (...to: [number, string]) => {
    if (!stranger) {
      stranger = connect(port, '127.0.0.1');
      stranger.write('?');
    }
    return connect(...to);
  });
  await takeWaiting(server, true, time);
  server.close();
  assert.ok(stranger);
  assert.equal(await text(stranger), 'hello ok');
  await once(server, 'close');
  assert.equal(accepted(), 1);
});

test('a socket of both families is sealed where there is no IPv6', async t => {
  t.mock.method(os, 'networkInterfaces', () => ({}));
  const { server, port } = await listen('::');
  const targets: string[] = [];
  const { connect } = net;
  t.mock.method(net, 'connect', (to: number, host: string) => {
    targets.push(host);
    return connect(to, host);
  });
  await takeWaiting(server, true, time);
  const late = connect(port, '::1').on('error', () => {});
  cleanUp(t, () => late.destroy());
  assert.equal(
    await Promise.race([once(late, 'connect').then(() => 'connected'), delay(200, 'waits')]),
    'waits',
  );
  assert.deepEqual(new Set(targets), new Set(['127.0.0.1']));
  server.close();
  await once(server, 'close');
});
