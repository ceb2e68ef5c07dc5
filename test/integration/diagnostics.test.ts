import assert from 'node:assert/strict';
import diagnostics from 'node:diagnostics_channel';
import { test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { startGroup } from '../helpers/group.ts';
import { errorOf, listOf, startPool } from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';
import { abandon, call, methods, post } from '../helpers/rpc.ts';

type Message = Record<string, unknown>;

const steps = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;

/** What is published on these channels from now until the test ends. */
function listen(t: Parameters<typeof cleanUp>[0], names: readonly string[]): [string, Message][] {
  const heard: [string, Message][] = [];
  for (const name of names) {
    const onMessage = (message: unknown) => void heard.push([name, message as Message]);
    diagnostics.subscribe(name, onMessage);
    cleanUp(t, () => diagnostics.unsubscribe(name, onMessage));
  }
  return heard;
}

test('a pool publishes what becomes of its tasks and processes', async t => {
  const processes = listen(
    t,
    ['spawn', 'ready', 'exit'].map(step => `processhandler:process:${step}`),
  );
  const tasks = listen(
    t,
    steps.map(step => `tracing:processhandler.task:${step}`),
  );
  const under = await startPool(t, 'export const fail = () => { throw new RangeError("no"); };');
  const { pool } = under;
  assert.equal(await pool.run(7), 7);
  const error = await errorOf(pool.run(1, { name: 'fail' }));
  assert.equal((await pool.broadcast(undefined, { name: 'where' })).length, 1);
  const gate = under.project.write('gate', '');
  await listOf(pool.stream(gate, { name: 'hold' }));

  const of = (name: string) =>
    tasks.filter(([, { name: its }]) => its === name).map(([channel]) => channel.split(':').at(-1));
  const success = ['start', 'end', 'asyncStart', 'asyncEnd'];
  for (const name of ['default', 'where', 'hold']) assert.deepEqual(of(name), success, name);
  assert.deepEqual(of('fail'), ['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
  const [[, first]] = tasks as [[string, Message]];
  assert.deepEqual(first, { kind: 'run', name: 'default', payload: 7, result: 7 });
  assert.equal(tasks.find(([, { error }]) => error)?.[1].error, error);

  await errorOf(pool.run('SIGKILL', { name: 'die' }));
  await until(
    'another one is ready',
    () => processes.filter(([name]) => name.endsWith('ready')).length === 2,
  );
  const [pid] = [...under.pids];
  assert.deepEqual(
    processes.map(([name, { pid: its }]) => [name.split(':').at(-1), its === pid]),
    [
      ['spawn', true],
      ['ready', true],
      ['exit', true],
      ['spawn', false],
      ['ready', false],
    ],
  );
  const [[, { group }], , [, { reason, ...exit }]] = processes as [
    [string, Message],
    unknown,
    [string, Message],
  ];
  assert.deepEqual(exit, {
    group,
    index: 1,
    generation: 1,
    pid,
    exitCode: null,
    signal: 'SIGKILL',
    kind: 'killed',
    failure: true,
  });
  assert.match(reason as string, /^killed by SIGKILL/);
});

test('a thread publishes each task that it runs, to those of its own module too', async t => {
  const { pool } = await startPool(
    t,
    `import { tracingChannel } from 'node:diagnostics_channel';
const heard = [];
const hear = step => ({ name, error }) => heard.push([step, name, error?.message]);
tracingChannel('processhandler.task.run').subscribe(
  Object.fromEntries(['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map(step => [step, hear(step)])));
export const add = ([a, b]) => a + b;
export const fail = async () => { throw new Error('no'); };
export const told = () => heard.filter(([, name]) => name !== 'told');`,
  );
  assert.equal(await pool.run([1, 2], { name: 'add' }), 3);
  assert.equal((await errorOf(pool.run(0, { name: 'fail' }))).message, 'no');
  assert.deepEqual(await pool.run(0, { name: 'told' }), [
    ['start', 'add', undefined],
    ['end', 'add', undefined],
    ['asyncStart', 'add', undefined],
    ['asyncEnd', 'add', undefined],
    ['start', 'fail', undefined],
    ['end', 'fail', undefined],
    ['error', 'fail', 'no'],
    ['asyncStart', 'fail', 'no'],
    ['asyncEnd', 'fail', 'no'],
  ]);
});

test('a worker process publishes each JSON-RPC call until its end, also where its client leaves', async t => {
  const module = `${methods}
import { tracingChannel } from 'node:diagnostics_channel';
import { RpcWorker } from 'processhandler';
const heard = [];
const hear = step => ({ method, id, request, error }) =>
  heard.push([step, method, id ?? null, request?.method, error?.name]);
tracingChannel('processhandler.rpc').subscribe({ start: hear('start'), asyncEnd: hear('end') });
export default class extends RpcWorker {
  methods() { return { ...super.methods(), here: () => 1, told: () => heard.filter(([, method]) => method !== 'told') }; }
}`;
  const { addresses } = await startGroup(t, module, { bind: '127.0.0.1:0', abort_grace: '50ms' });
  const url = `http://${addresses[0]}/`;
  await call(url, 'echo', [1]);
  await call(url, 'here');
  await call(url, 'fail', [{}]);
  await call(url, 'nothing');
  await post(url, JSON.stringify({ jsonrpc: '2.0', method: 'update' }));
  const told = async () => (await call(url, 'told')).result as unknown[][];
  while (!(await told()).some(([step, method]) => step === 'end' && method === 'update'));
  await abandon(url, 'heed');
  while (!(await told()).some(([step, method]) => step === 'end' && method === 'heed'));
  const heard = await told();
  assert.deepEqual(
    heard.filter(([step]) => step === 'end'),
    [
      ['end', 'echo', 1, 'POST', null],
      ['end', 'here', 1, 'POST', null],
      ['end', 'fail', 1, 'POST', 'RangeError'],
      ['end', 'update', null, 'POST', null],
      ['end', 'heed', 1, 'POST', 'AbortError'],
    ],
  );
  assert.equal(heard.length, 10, 'and each has begun');
});
