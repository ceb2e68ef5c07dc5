/** Schedules of sections, carried out by a real supervisor. */

import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, type Project } from '../helpers/project.ts';
import { consume, producer, queueProject } from '../helpers/queue.ts';
import { noRedis, startRedis } from '../helpers/redis.ts';

const module = `
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
export default async function (payload, context) {
  appendFileSync('runs', JSON.stringify([payload, context.name, context.job ?? null, process.pid]) + '\\n');
  while (existsSync('hold')) await delay(10);
}
`;

function runsOf(project: Project): unknown[][] {
  try {
    return readFileSync(project.path('runs'), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
  } catch {
    return [];
  }
}

test('a schedule without a queue runs the default task on one worker process, skips what overlaps, and ends with a reload', async t => {
  const keys = { task: 'tasks.mjs', threads: 1, number_workers: 2 };
  const project = createProject(t, {
    'tasks.mjs': module,
    hold: '',
    'ph.ini': iniText({ tick: { ...keys, schedule: '* * * * * *' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const pids = [...(await ph.ready()).values()];
  await ph.log(/^schedule: skipped, the run of \d{4}-.* is not over$/);
  assert.equal(runsOf(project).length, 1, 'one worker process has run it, and once');
  const [payload, name, job, pid] = runsOf(project)[0] as unknown[];
  assert.deepEqual([payload, name, job], [{}, 'default', null]);
  assert.ok(pids.includes(pid as number));
  rmSync(project.path('hold'));
  project.write('ph.ini', iniText({ tick: keys }));
  ph.signal('SIGHUP');
  await ph.log(/^reloaded/);
  assert.equal((await ph.stop()).code, 0);
});

test('a bad schedule or time zone is an error with its line', async t => {
  const ini = '[tick]\ntask = tasks.mjs\nschedule = 61 * * * *\nschedule_timezone = Europe/Zurick\n';
  const project = createProject(t, { 'tasks.mjs': module, 'ph.ini': ini });
  const { code, stderr } = await startPh(t, ['run'], { cwd: project.directory }).exit;
  assert.equal(code, 2);
  assert.match(stderr, /ph\.ini:3: \[tick\] schedule: expected a cron expression, not "61 \* \* \* \*"/);
  assert.match(stderr, /ph\.ini:4: \[tick\] schedule_timezone: expected a time zone such as Europe\/Zurich/);
});

test('a reload that takes a section with a queue out takes its schedule out of the queue', {
  skip: noRedis,
}, async t => {
  const redis = await startRedis(t);
  const project = queueProject(t, redis.url, { schedule: '0 0 1 1 *' });
  const queue = producer(t, redis.url);
  const ph = await consume(t, project);
  let count = 0;
  const untilCount = async (wanted: number) => {
    for (count = -1; count !== wanted; await delay(20)) count = await queue.getJobSchedulersCount();
  };
  await untilCount(1);
  project.write('ph.ini', '[other]\ntask = tasks.mjs\nthreads = 1\n');
  ph.signal('SIGHUP');
  await untilCount(0);
  await until('only the other section runs', () => ph.records.some(({ msg }) => msg.startsWith('reloaded')));
  await ph.stop();
});
