import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, count, type Range, statusOf } from '../helpers/grpc.ts';
import { isReadyLine, type Ph, startPh } from '../helpers/ph.ts';
import { createProject, packageRoot } from '../helpers/project.ts';

/** `tasks/grpc.ts` on a Unix socket. */
async function start(t: TestContext, ...args: string[]) {
  const project = createProject(t, {});
  const socket = ['--set', 'bind=unix:grpc.sock'];
  const ph = startPh(t, ['run', join(packageRoot, 'tasks/grpc.ts'), ...socket, ...args], {
    cwd: project.directory,
  });
  await ph.ready();
  return { ph, project, ...connect(t, `unix:${project.path('grpc.sock')}`) };
}

const below = (to: number): Range => ({ from: 0, to });
/** Some minutes of work for one thread. */
const endless = below(100_000_000);

test('gRPC: unary and server-streaming calls, made from the same .proto, run on the threads', async t => {
  const { primes, reflection } = await start(t, '-t', '2');
  assert.equal(await count(primes, below(100_000)), 9592);
  assert.equal(await count(primes, { from: 14, to: 17 }), 0);

  const pieces = await primes.List(below(300_000)).toArray();
  const listed = pieces.flatMap(piece => piece.primes);
  assert.ok(pieces.length > 1);
  assert.equal(listed.length, 25_997);
  assert.deepEqual(listed.slice(0, 6), [2, 3, 5, 7, 11, 13]);
  assert.deepEqual(
    listed,
    listed.toSorted((a, b) => a - b),
    'in their order',
  );

  assert.equal(await statusOf(count(primes, { from: 2, to: 1 })), 'INVALID_ARGUMENT');
  assert.equal(await statusOf(primes.List({ from: 0, to: 4_000_000_000 }).toArray()), 'INVALID_ARGUMENT');
  for (const path of ['/primes.v1.Primes/Guess', '/primes.v2.Primes/Count']) {
    const call = new Promise((resolve, reject) => {
      const raw = (bytes: Buffer) => bytes;
      primes.makeUnaryRequest(path, raw, raw, Buffer.of(), error => (error ? reject(error) : resolve(0)));
    });
    assert.equal(await statusOf(call), 'UNIMPLEMENTED', path);
  }

  const info = reflection.ServerReflectionInfo();
  info.write({ listServices: '' });
  const [{ listServicesResponse }] = await once(info, 'data');
  info.end();
  await once(info, 'end');
  const names = listServicesResponse.service.map(({ name }: { name: string }) => name);
  for (const name of ['primes.v1.Primes', 'grpc.health.v1.Health']) assert.ok(names.includes(name), name);
});

for (const [how, end] of [
  ['over its deadline', { deadline: 300 }],
  ['cancelled by its client', { cancel: 300 }],
] as const) {
  test(`gRPC: a call that is ${how} ends its task on the thread`, async t => {
    const { primes, ph } = await start(t, '-t', '1');
    const options = 'deadline' in end ? { deadline: Date.now() + end.deadline } : {};
    const expected = 'deadline' in end ? 'DEADLINE_EXCEEDED' : 'CANCELLED';
    const unary = new Promise<void>((resolve, reject) => {
      const call = primes.Count(endless, options, error => (error ? reject(error) : resolve()));
      if ('cancel' in end) setTimeout(() => call.cancel(), end.cancel);
    });
    assert.equal(await statusOf(unary), expected);
    // The only thread is free again, as this task needs it.
    assert.equal(await count(primes, below(100)), 25);

    const stream = primes.List(endless, 'deadline' in end ? { deadline: Date.now() + end.deadline } : {});
    if ('cancel' in end) stream.once('data', () => stream.cancel());
    assert.equal(await statusOf(stream.toArray()), expected);
    assert.equal(await count(primes, below(100)), 25);
    assert.ok(!ph.records.some(({ level }) => level >= 40), 'the thread itself lives on');
  });
}

test('gRPC: health is SERVING, and NOT_SERVING for who watches when draining; what is in flight is answered', async t => {
  const { ph, primes, health } = await start(t, '-t', '1');
  for (const service of ['', 'primes.v1.Primes']) {
    const [reply] = await new Promise<[{ status: string } | undefined]>((resolve, reject) => {
      health.check({ service }, (error, reply) => (error ? reject(error) : resolve([reply])));
    });
    assert.equal(reply?.status, 'SERVING', service);
  }
  const seen: string[] = [];
  const watch = health.watch({ service: 'primes.v1.Primes' });
  watch.on('data', ({ status }) => seen.push(status));
  await once(watch, 'data');
  const inFlight = count(primes, below(2_000_000));
  const stream = primes.List({ from: 10_000_000, to: 10_400_000 });
  const pieces = stream.toArray();
  await count(primes, below(0));

  ph.signal('SIGTERM');
  await once(watch, 'end');
  assert.deepEqual(seen, ['SERVING', 'NOT_SERVING']);
  assert.equal(await inFlight, 148_933);
  assert.ok((await pieces).length > 1);
  assert.equal((await ph.exit).code, 0);
  assert.ok(!ph.records.some(({ level }) => level >= 40));
});

test('gRPC: calls on one channel, and on a channel for each, survive a reload, max_requests and an upgrade', async t => {
  const keys = ['--set', 'pidfile=ph.pid', '--set', 'max_requests=200'];
  const { ph, project, primes } = await start(t, '-t', '1', '-w', '2', ...keys);
  const address = `unix:${project.path('grpc.sock')}`;
  const outcomes = new Map<string, number>();
  let isOver = false;
  const call = async (client: typeof primes) => {
    const outcome = await statusOf(count(client, below(1000)));
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  };
  const callers = [
    ...[1, 2, 3].map(async () => {
      while (!isOver) await call(primes);
    }),
    (async () => {
      while (!isOver) {
        const own = connect(t, address);
        await call(own.primes);
        for (const client of Object.values(own)) client.close();
      }
    })(),
  ];
  await reload(ph);
  await ph.log('retires: max_requests');
  ph.signal('SIGUSR2');
  await ph.ended;
  isOver = true;
  await Promise.all(callers);
  t.diagnostic(JSON.stringify(Object.fromEntries(outcomes)));
  assert.deepEqual([...outcomes.keys()], ['OK']);
});

async function reload(ph: Ph): Promise<void> {
  const mark = ph.records.length;
  ph.signal('SIGHUP');
  await ph.logs(isReadyLine, 2, mark);
  await ph.logs(({ exit }) => exit === 'drained', 2, mark);
}
