/** Sections that consume a queue, on real servers. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from 'bullmq';
import sharp from 'sharp';
import { runPh } from '../helpers/ph.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, packageRoot } from '../helpers/project.ts';
import { startProxy } from '../helpers/proxy.ts';
import { consume, producer, queueProject, untilState, writeIni } from '../helpers/queue.ts';
import { noRedis, prepareRedis, type Redis, startRedis } from '../helpers/redis.ts';

let postgres: Postgres | undefined;

before(async () => {
  if (!noPostgres) postgres = await startPostgres();
});

after(() => postgres?.remove());

const servers = [
  { name: 'Redis', skip: noRedis, start: (t: TestContext): Promise<Redis | Postgres> => startRedis(t) },
  {
    name: 'PostgreSQL',
    skip: noPostgres,
    start: async (): Promise<Redis | Postgres> => postgres as Postgres,
  },
];

let queues = 0;

for (const { name, skip, start } of servers) {
  /** A queue of the test's own. */
  async function open(t: TestContext, keys: Record<string, string | number> = {}) {
    const server = await start(t);
    const queueName = `jobs-${++queues}`;
    const project = queueProject(t, server.url, { queue: queueName, ...keys });
    const queue = producer(t, server.url, queueName);
    const change = (others: Record<string, string | number>) =>
      writeIni(project, server.url, { queue: queueName, ...others });
    return { server, project, queue, change };
  }

  // Most of the time they wait; but the tests of PostgreSQL share a server, which one of them stops.
  describe(name, { skip, concurrency: name === 'Redis' ? 2 : 1 }, () => {
    test('jobs of a plain producer run on the threads: by name, with progress, log, attempts and results', async t => {
      const { project, queue } = await open(t, { task_timeout: 0.5, number_workers: 2 });
      const ph = await consume(t, project);
      const add = (name: string, data: unknown, options = {}) => queue.add(name, data, options);
      const [plain, told, failing, lost, slow] = await Promise.all([
        add('resize', { width: 3 }),
        add('tell', null),
        add('fail', 2, { attempts: 3, backoff: 10 }),
        add('exit', null),
        add('spin', 60_000),
      ]);
      const { returnvalue, processedBy } = await untilState(queue, plain as Job, 'completed');
      assert.deepEqual({ ...returnvalue, threadId: 0 }, { payload: { width: 3 }, attempt: 1, threadId: 0 });
      assert.match(processedBy as string, /^jobs@\d+$/);
      assert.deepEqual((await untilState(queue, told as Job, 'completed')).progress, { percent: 100 });
      assert.deepEqual((await queue.getJobLogs(told?.id as string)).logs, ['half', 'all']);
      assert.equal((await untilState(queue, failing as Job, 'completed')).returnvalue, 3);
      assert.match(
        (await untilState(queue, lost as Job, 'failed')).failedReason,
        /ended: it exited with code 7/,
      );
      assert.match(
        (await untilState(queue, slow as Job, 'failed')).failedReason,
        /task spin ran longer than 500 ms/,
      );
      // The section goes on.
      await untilState(queue, await add('again', 1), 'completed');
      assert.equal((await queue.getJobCounts()).failed, 2);
      assert.equal((await queue.getWorkers()).length, 2);
      assert.equal((await ph.stop()).code, 0);
    });

    test('a job whose worker process was killed runs again, until it was lost max_stalled times', async t => {
      const { project, queue } = await open(t, { lock_duration: 1, max_stalled: 1 });
      const ph = await consume(t, project);
      const job = await queue.add('hold', 'never');
      for (const attempt of [1, 2]) {
        await until(`run ${attempt} has begun`, () => project.runs().includes(`hold ${job.id} ${attempt}`));
        for (const pid of ph.workers) process.kill(pid, 'SIGKILL');
      }
      assert.match(
        (await untilState(queue, job, 'failed')).failedReason,
        /stalled more than allowable limit/,
      );
      assert.equal(project.runs().length, 2);
      const next = await queue.add('next', 1);
      await untilState(queue, next, 'completed');
      await ph.stop();
    });

    test('S06 a stop finishes what runs, and gives back at once what waits and what takes too long', async t => {
      const { project, queue } = await open(t, { concurrency: 4, graceful_timeout: 2 });
      const ph = await consume(t, project);
      const ends = await queue.add('hold', 'end');
      const late = await queue.add('hold', 'never');
      await until('both run', () => project.runs().length === 2);
      const waiting = await queue.addBulk([1, 2, 3].map(data => ({ name: 'next', data })));
      // Two of them are taken, and wait for a thread.
      await untilState(queue, waiting[1] as Job, 'active');
      ph.signal('SIGTERM');
      for (const job of waiting) await untilState(queue, job, 'waiting', 1000);
      project.write('end', '');
      assert.equal((await untilState(queue, ends, 'completed')).returnvalue, 1);
      assert.equal((await ph.exit).code, 0);
      assert.equal(await late.getState(), 'waiting');
      assert.match(ph.stderr, /jobs given back: 3/);
      // Nobody has to wait for a lock, and on Redis they have kept their order.
      const order = (await queue.getWaiting()).map(({ id }) => id);
      const given = [late, ...waiting].map(({ id }) => id);
      assert.deepEqual(name === 'Redis' ? order : order.sort(), given);
    });

    test('a server that goes away and comes back costs no job, and is visible', async t => {
      const { server, project, queue } = await open(t);
      const ph = await consume(t, project);
      await ph.log(/: connected$/);
      const job = await queue.add('hold', 'end');
      await until('it runs', () => project.runs().length === 1);
      const from = ph.records.length;
      await server.stop();
      const { msg } = await ph.log(/not connected/, from);
      assert.match(msg, /ECONNREFUSED|closed the connection|terminat/);
      // It is done while nobody can be told.
      project.write('end', '');
      await server.start();
      await ph.log(/: connected$/, from);
      assert.equal((await untilState(queue, job, 'completed')).returnvalue, 1);
      await untilState(queue, await queue.add('next', 1), 'completed');
      assert.equal(project.runs().filter(run => run.startsWith('hold')).length, 1);
      await ph.stop();
    });

    test('reload, max_requests and scale act as for every section: no job is lost or run twice', async t => {
      const { project, queue, change } = await open(t, { max_requests: 25, number_workers: 2 });
      const ph = await consume(t, project);
      const jobs = Array.from({ length: 120 }, (_, i) => ({ name: 'job', data: i }));
      await queue.addBulk(jobs.slice(0, 40));
      change({ number_workers: 1 });
      ph.signal('SIGHUP');
      await queue.addBulk(jobs.slice(40, 80));
      await ph.log(/generation 2/);
      ph.signal('SIGTTIN');
      await queue.addBulk(jobs.slice(80));
      await until('all have run', () => project.runs().length >= 120, 20_000);
      await ph.stop();
      assert.deepEqual(await queue.getJobCounts('completed', 'failed', 'active', 'wait'), {
        completed: 120,
        failed: 0,
        active: 0,
        wait: 0,
      });
      assert.equal(new Set(project.runs()).size, 120);
    });
  });
}

describe('Redis of its own', { skip: noRedis, concurrency: 2 }, () => {
  test('a stop while the server is away says how many results it could not be told', async t => {
    const redis = await startRedis(t);
    const project = queueProject(t, redis.url, { graceful_timeout: 2 });
    const ph = await consume(t, project);
    await producer(t, redis.url).add('hold', 'end');
    await until('it runs', () => project.runs().length === 1);
    await redis.stop();
    await ph.log(/not connected/);
    project.write('end', '');
    await ph.stop();
    await ph.log(/end the server could not be told, .*: 1$/);
  });

  test('a server that is not there at the start: the workers are ready, say why, and consume once it is', async t => {
    const redis = await prepareRedis(t);
    const project = queueProject(t, redis.url, { metrics_bind: '127.0.0.1:0', pidfile: 'ph.pid' });
    const ph = await consume(t, project);
    const reason = `connect ECONNREFUSED 127.0.0.1:${redis.port}`;
    await ph.log(`queue jobs: not connected: ${reason}`);
    const { msg } = await ph.log(/^metrics on /);
    const [address] = /[\d.]+:\d+/.exec(msg) as RegExpExecArray;
    const ask = async (path: string) => {
      const response = await fetch(`http://${address}${path}`);
      return { status: response.status, body: await response.text() };
    };
    const untilReadyz = async (status: number, text: string) => {
      for (;;) {
        const answer = await ask('/readyz');
        if (answer.status === status && answer.body.includes(text)) return;
        await delay(20);
      }
    };
    // Whoever probes for life must not restart it; whoever shows the state says why.
    await untilReadyz(503, reason);
    assert.equal((await ask('/livez')).status, 200);
    assert.match((await runPh(t, ['status'], { cwd: project.directory })).stdout, /ECONNREFUSED/);
    await redis.start();
    const queue = producer(t, redis.url);
    await untilState(queue, await queue.add('job', 1), 'completed');
    await untilReadyz(200, '');
    assert.equal((await ph.stop()).code, 0);
  });

  test('a password that is refused is told, and no password is; once it is right, jobs are consumed', async t => {
    const redis = await startRedis(t, ['--requirepass', 'other']);
    const project = queueProject(t, redis.url.replace('//', '//default:s3cret@'));
    const ph = await consume(t, project);
    await ph.log(/not connected: WRONGPASS/);
    await redis.authorized('other', 'CONFIG', 'SET', 'requirepass', 's3cret');
    await ph.log(/: connected/);
    const queue = producer(t, redis.url.replace('//', '//default:s3cret@'));
    await untilState(queue, await queue.add('job', 1), 'completed');
    await ph.stop();
    assert.doesNotMatch(ph.stderr, /s3cret/);
  });

  test('a server that is out of memory is told, asked with backoff, and consumed from when it has some again', async t => {
    const redis = await startRedis(t);
    const project = queueProject(t, redis.url);
    const queue = producer(t, redis.url);
    const job = await queue.add('job', 1);
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    const ph = await consume(t, project);
    await ph.log(/not connected: OOM/);
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    await untilState(queue, job, 'completed');
    await ph.log(/: connected/);
    await ph.stop();
  });

  test('a consumer that is connected and takes nothing while jobs wait is replaced, and what it had in hand is done', async t => {
    const redis = await startRedis(t);
    const proxy = await startProxy(t, redis.port);
    const url = redis.url.replace(`${redis.port}`, `${proxy.port}`);
    const project = queueProject(t, url, { queue_watchdog: 1, graceful_timeout: 1 });
    const ph = await consume(t, project);
    const queue = producer(t, redis.url);
    await untilState(queue, await queue.add('first', 1), 'completed');
    const from = ph.records.length;
    proxy.silence();
    const job = await queue.add('second', 2);
    await ph.log(/consumer has taken no job for \d+ s: the server does not answer/, from);
    await untilState(queue, job, 'completed');
    assert.equal(project.runs().length, 2);
    await ph.stop();
  });

  test('tasks/thumbnails.ts makes thumbnails of what a producer asks for', async t => {
    const redis = await startRedis(t);
    const project = createProject(t, {
      'ph.ini': iniText({
        thumbnails: {
          task: join(packageRoot, 'tasks/thumbnails.ts'),
          queue: 'thumbnails',
          queue_url: redis.url,
          threads: 2,
        },
      }),
    });
    const image = sharp({ create: { width: 800, height: 600, channels: 3, background: 'teal' } });
    await image.jpeg().toFile(project.path('teal.jpg'));
    project.write('broken.jpg', 'no image');
    const ph = await consume(t, project);
    const example = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        join(packageRoot, 'tasks/thumbnails-producer.ts'),
        redis.url,
        project.directory,
        project.path('thumbs'),
      ],
      { cwd: packageRoot, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const output = await text(example.stdout);
    assert.match(output, /teal\.jpg: .*teal-160\.webp, .*teal-320\.webp, .*teal-640\.webp\n/);
    assert.match(output, /broken\.jpg: .*unsupported image format/);
    const { width, height, format } = await sharp(project.path('thumbs/teal-320.webp')).metadata();
    assert.deepEqual([width, height, format], [320, 240, 'webp']);
    assert.deepEqual(readdirSync(project.path('thumbs')).length, 3);
    await ph.stop();
  });
});
