/** Two machines on one queue: two supervisors, each with a configuration and a directory of its own. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Ph, startPh } from '../helpers/ph.ts';
import { createProject, iniText, type Project } from '../helpers/project.ts';
import { producer } from '../helpers/queue.ts';
import { noRedis, startRedis } from '../helpers/redis.ts';

const module = `
import { appendFileSync } from 'node:fs';
export default function (n, { job }) {
  const end = performance.now() + 0.5;
  while (performance.now() < end);
  appendFileSync('runs', \`\${job.id} \${process.pid}\\n\`);
  return n;
}
`;

const count = 10_000;

interface Machine {
  readonly project: Project;
  ph: Ph;
}

async function startMachine(t: TestContext, url: string): Promise<Machine> {
  const keys = { queue: 'jobs', queue_url: url, number_workers: 2, threads: 2, concurrency: 8 };
  const recovery = { lock_duration: 2, max_stalled: 5 };
  const project = createProject(t, {
    'tasks.mjs': module,
    'ph.ini': iniText({ jobs: { task: 'tasks.mjs', ...keys, ...recovery } }),
  });
  return { project, ph: await start(t, project) };
}

async function start(t: TestContext, { directory }: Project): Promise<Ph> {
  const ph = startPh(t, ['run'], { cwd: directory });
  await ph.ready();
  return ph;
}

test('10,000 jobs on two machines, while workers and a whole machine are killed and Redis restarts: all complete, none is run twice but what a killed process had', {
  skip: noRedis,
}, async t => {
  const redis = await startRedis(t);
  const queue = producer(t, redis.url);
  const killed = new Set<number>();
  const kill = (pids: readonly number[]) => {
    for (const pid of pids) {
      killed.add(pid);
      process.kill(pid, 'SIGKILL');
    }
  };
  const completed = async (least: number) => {
    while ((await queue.getCompletedCount()) < least) await delay(20);
  };
  const [a, b] = await Promise.all([startMachine(t, redis.url), startMachine(t, redis.url)]);
  const jobs = Array.from({ length: count }, (_, n) => ({ name: 'job', data: n }));
  for (let from = 0; from < count; from += 1000) await queue.addBulk(jobs.slice(from, from + 1000));

  await completed(1000);
  kill(a.ph.workers.slice(0, 1));
  await completed(2500);
  // The workers of a supervisor that is gone end within 2 s, and give back what they can.
  const orphans = b.ph.workers;
  for (const pid of orphans) killed.add(pid);
  b.ph.signal('SIGKILL');
  await b.ph.ended;
  b.ph = await start(t, b.project);
  await completed(5000);
  await redis.stop();
  await redis.start();
  await completed(7000);
  kill([...a.ph.workers.slice(0, 1), ...b.ph.workers.slice(0, 1)]);
  await completed(count);

  assert.deepEqual(await queue.getJobCounts('completed', 'failed', 'active', 'waiting', 'delayed'), {
    completed: count,
    failed: 0,
    active: 0,
    waiting: 0,
    delayed: 0,
  });
  for (const { ph } of [a, b]) assert.equal((await ph.stop()).code, 0);
  const runs = [a, b].flatMap(({ project }) =>
    readFileSync(project.path('runs'), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => line.split(' ') as [id: string, pid: string]),
  );
  assert.equal(new Set(runs.map(([id]) => id)).size, count, 'every job has run');
  const survivors = runs.filter(([, pid]) => !killed.has(Number(pid))).map(([id]) => id);
  assert.equal(
    new Set(survivors).size,
    survivors.length,
    'no process that lived ran a job that another one did',
  );
  const repeated = runs.length - count;
  assert.ok(
    repeated <= 8 * killed.size,
    `${repeated} runs more than jobs: ${killed.size} processes had 8 each`,
  );
  t.diagnostic(`${repeated} runs again of what ${killed.size} killed processes had`);
});
