/** `ph enqueue`, `ph queue` and `ph check`, and schedules of queues: with a real server, and without. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runPh } from '../helpers/ph.ts';
import { createProject, type Project, packageRoot } from '../helpers/project.ts';
import { consume, producer, queueProject, untilState, writeIni } from '../helpers/queue.ts';
import { freePort, noRedis, startRedis } from '../helpers/redis.ts';

/** Runs a command with these lines on stdin. */
async function ph(t: TestContext, { directory }: Project, args: readonly string[], input = '') {
  return runPh(t, args, { cwd: directory, launcher: ['sh', '-c', 'printf %s "$0" | "$@"', input] });
}

test('ph enqueue adds jobs and waits for their results; ph queue shows the failed ones and retries them', {
  skip: noRedis,
}, async t => {
  const redis = await startRedis(t);
  const project = queueProject(t, redis.url);
  const queue = producer(t, redis.url);

  const later = await ph(t, project, ['enqueue', 'jobs', '--delay', '1h', '--attempts', '3', '{"a":1}']);
  assert.deepEqual([later.code, later.stdout, later.stderr], [0, '1\n', '']);
  const job = await queue.getJob('1');
  assert.deepEqual(
    [job?.name, job?.data, job?.delay, job?.opts.attempts],
    ['default', { a: 1 }, 3_600_000, 3],
  );
  const lines = await ph(t, project, ['enqueue', 'jobs', '--name', 'fail', '--priority', '2'], '0\n1\n\n');
  assert.deepEqual([lines.code, lines.stdout], [0, '2\n3\n']);

  const before = JSON.parse((await ph(t, project, ['queue', 'jobs', '--json'])).stdout);
  assert.deepEqual([before.counts.prioritized, before.counts.delayed, before.workers], [2, 1, []]);
  assert.equal(before.oldestWaiting.id, '2');

  await consume(t, project);
  const [one, some] = await Promise.all([
    ph(t, project, ['enqueue', 'jobs', '--wait', '--name', 'spin', '3']),
    ph(t, project, ['enqueue', 'jobs', '--wait', '--name', 'fail'], '0\n1'),
  ]);
  assert.deepEqual([one.code, one.stdout], [0, '3\n']);
  const outcomes = some.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  assert.equal(some.code, 1);
  assert.deepEqual(
    outcomes.map(({ result, error }) => result ?? error),
    [1, 'attempt 1'],
  );
  const failed = await ph(t, project, ['enqueue', 'jobs', '--wait', '--name', 'fail', '1']);
  assert.deepEqual([failed.code, failed.stdout], [1, '']);
  assert.match(failed.stderr, /^ph: job \d+ failed: attempt 1\n$/);

  const shown = await ph(t, project, ['queue', 'jobs']);
  assert.match(shown.stdout, /^queue jobs on redis:\/\/127\.0\.0\.1:\d+\n/);
  assert.match(shown.stdout, /failed +3\n/);
  assert.match(shown.stdout, /workers: jobs@\d+\n/);
  assert.match(shown.stdout, /\n {2}\d+ {2}fail, \d s ago, attempts: 1: attempt 1\n/);
  const retried = await ph(t, project, ['queue', 'jobs', '--retry-failed', '--json']);
  assert.equal(JSON.parse(retried.stdout).retried, 3);
});

test('ph enqueue --wait whose server goes away says which jobs it has added', { skip: noRedis }, async t => {
  const redis = await startRedis(t);
  const project = queueProject(t, redis.url);
  const queue = producer(t, redis.url);
  const waiting = ph(t, project, ['enqueue', 'jobs', '--wait'], '1\n2');
  while ((await queue.getWaitingCount()) < 2) await delay(10);
  await redis.stop();
  const { code, stdout, stderr } = await waiting;
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^ph: jobs that were added: 1 2\nph: queue jobs on redis:/);
});

test('bad input to the commands of queues is told in one line, and adds nothing', async t => {
  const url = `redis://user:s3cret@127.0.0.1:${await freePort()}`;
  const project = queueProject(t, url);
  const cases: readonly [args: string[], input: string, code: number, message: RegExp][] = [
    [['enqueue', 'jobs', '{a'], '', 2, /^ph: the payload is not JSON: /],
    [['enqueue', 'jobs'], '1\nx\n', 2, /^ph: line 2 is not JSON: /],
    [['enqueue', 'jobs', '--priority', '-1', '1'], '', 2, /expected an integer from 0 to 2097152/i],
    [['enqueue', 'nowhere', '1'], '', 2, /\[nowhere\] no such section; there are: jobs/],
    [['enqueue', 'jobs', '1'], '', 1, /^ph: queue jobs on redis:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/],
    [['queue', 'jobs'], '', 1, /^ph: queue jobs on redis:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/],
  ];
  const results = await Promise.all(cases.map(([args, input]) => ph(t, project, args, input)));
  for (const [at, { code, stderr }] of results.entries()) {
    const [args, , expected, message] = cases[at] as (typeof cases)[number];
    assert.equal(code, expected, args.join(' '));
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /s3cret/);
  }
  project.write('ph.ini', '[plain]\ntask = tasks.mjs\n');
  const { code, stderr } = await ph(t, project, ['queue', 'plain']);
  assert.equal(code, 2);
  assert.match(stderr, /\[plain\] has no queue: add queue = NAME/);
});

test('without the packages for queues, ph check, ph run and ph queue name the command that installs them', async t => {
  const project = createProject(t, {
    'tasks.mjs': 'export default () => 1;\n',
    'ph.ini': '[jobs]\ntask = tasks.mjs\nqueue = jobs\nqueue_url = redis://127.0.0.1:1\n',
  });
  // This package as it would be installed, where nobody has installed the others.
  const installed = join(project.directory, 'lib/node_modules');
  const copy = join(installed, 'processhandler');
  mkdirSync(copy, { recursive: true });
  for (const name of ['dist', 'package.json'])
    cpSync(join(packageRoot, name), join(copy, name), { recursive: true });
  const modules = join(packageRoot, 'node_modules');
  for (const name of readdirSync(modules)) {
    if (['bullmq', 'pg', 'ioredis', 'processhandler'].includes(name)) continue;
    symlinkSync(join(modules, name), join(installed, name));
  }
  const launcher = ['sh', '-c', `shift 2; exec "${process.execPath}" "${copy}/dist/cli/main.js" "$@"`, '-'];
  const results = await Promise.all(
    [['check'], ['run'], ['queue', 'jobs']].map(args => runPh(t, args, { cwd: project.directory, launcher })),
  );
  for (const { code, stderr } of results) {
    assert.match(stderr, /queue: bullmq and ioredis missing: npm install bullmq@6 ioredis/);
    assert.equal(code, 2, stderr);
  }
});

test('queue and bind in one section are told apart by nobody: ph check says what to do', async t => {
  const project = queueProject(t, 'redis://127.0.0.1:1', { bind: '127.0.0.1:0' });
  const { code, stderr } = await runPh(t, ['check'], { cwd: project.directory });
  assert.equal(code, 2);
  assert.match(stderr, /\[jobs\] queue: .*bind and queue: make two sections/);
});

test('the schedule of a section with a queue fires once for two machines, and goes with its key', {
  skip: noRedis,
}, async t => {
  const redis = await startRedis(t);
  const keys = { schedule: '* * * * * *', schedule_timezone: 'Europe/Zurich' };
  const [a, b] = [queueProject(t, redis.url, keys), queueProject(t, redis.url, keys)];
  const [one, two] = await Promise.all([consume(t, a), consume(t, b)]);
  const queue = producer(t, redis.url);
  const runs = () => [...a.runs(), ...b.runs()];
  while (runs().length < 3) await untilState(queue, await queue.add('spin', 1), 'completed');
  const ids = runs().map(line => line.split(' ')[1] as string);
  assert.equal(new Set(ids).size, ids.length, runs().join());
  assert.match(ids[0] as string, /^repeat:ph-jobs:\d+000$/);
  const { schedule } = JSON.parse((await ph(t, a, ['queue', 'jobs', '--json'])).stdout);
  assert.deepEqual([schedule.pattern, schedule.timezone], ['* * * * * *', 'Europe/Zurich']);

  await two.stop();
  writeIni(a, redis.url, {});
  one.signal('SIGHUP');
  await one.log(/generation 2/);
  while ((await queue.getJobSchedulersCount()) > 0)
    await untilState(queue, await queue.add('spin', 1), 'completed');
  await one.stop();
});
