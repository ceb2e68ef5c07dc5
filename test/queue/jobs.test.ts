import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job as BullmqJob } from 'bullmq';
import { pino } from 'pino';
import { withResolvers } from '../../src/promise.ts';
import type { Job } from '../../src/queue/job-threads.ts';
import { Jobs } from '../../src/queue/jobs.ts';

/** Threads that run nothing until the test says so, and jobs that note where they were moved. */
function setUp({ begun = true, moveToWait = async () => {}, overlaps = false } = {}) {
  const lines: string[] = [];
  const logger = pino({}, { write: line => void lines.push(JSON.parse(line).msg) });
  const given: Job[] = [];
  const result = withResolvers<unknown>();
  let aborted = 0;
  let runs = 0;
  const jobs = new Jobs({
    logger,
    isOverlapping: async () => overlaps,
    onRun: () => runs++,
    onSettled: () => {},
    threads: {
      taskNames: ['default', 'resize'],
      runJob: (_data, job) => {
        given.push(job);
        const { promise, reject } = withResolvers<unknown>();
        const abort = (reason: Error) => {
          aborted++;
          reject(reason);
        };
        const takeBack = begun ? () => {} : reject;
        return { result: Promise.race([result.promise, promise]), takeBack, abort };
      },
    },
  });
  const job = (more: object = {}) =>
    ({
      id: '7',
      name: 'resize',
      attemptsMade: 0,
      stalledCounter: 0,
      moveToWait,
      ...more,
    }) as unknown as BullmqJob;
  return { jobs, job, given, result, lines, aborted: () => aborted, runs: () => runs };
}

test('the name of a job is that of its function, or it is run by the default one', async () => {
  const { jobs, job, given, result, runs } = setUp();
  const all = [
    jobs.run(job(), 't'),
    jobs.run(job({ name: 'other', attemptsMade: 1, stalledCounter: 1 }), 't'),
  ];
  result.resolve(1);
  assert.deepEqual(await Promise.all(all), [1, 1]);
  assert.deepEqual(
    given.map(({ name, attempt }) => [name, attempt]),
    [
      ['resize', 1],
      ['default', 3],
    ],
  );
  assert.equal(runs(), 2);
});

test('a job that no thread has begun is given back by a stop; one that runs is not, until it is given up', async () => {
  const waits = setUp({ begun: false });
  const waiting = waits.jobs.run(waits.job(), 't');
  await new Promise(setImmediate);
  waits.jobs.stop();
  await assert.rejects(waiting, { name: 'WaitingError' });
  const late = setUp();
  const running = late.jobs.run(late.job(), 't');
  await new Promise(setImmediate);
  late.jobs.stop();
  assert.equal(late.jobs.size, 1);
  late.jobs.giveUp();
  await assert.rejects(running, { name: 'WaitingError' });
  assert.equal(late.aborted(), 1);
  assert.deepEqual([late.jobs.size, late.jobs.givenBack, late.runs()], [0, 1, 0]);
});

test('a job that cannot be given back has not failed for that', async () => {
  const refused = async () => Promise.reject(new Error('Missing lock'));
  const { jobs, job, lines } = setUp({ begun: false, moveToWait: refused });
  jobs.stop();
  await assert.rejects(jobs.run(job(), 't'), { name: 'WaitingError' });
  assert.equal(jobs.givenBack, 0);
  assert.deepEqual(lines, ['job 7 could not be given back: Missing lock']);
});

test('a job of a schedule is skipped while the one before runs', async () => {
  const { jobs, job, given, lines } = setUp({ overlaps: true });
  const outcome = await jobs.run(job({ repeatJobKey: 'ph-jobs' }), 't');
  assert.deepEqual(outcome, { skipped: 'skipped: the run before is not over' });
  assert.deepEqual([given.length, lines.length], [0, 1]);
});

test('whatever a task throws fails its job', async () => {
  const moved = Object.assign(new Error('later'), { name: 'DelayedError' });
  const cases: readonly [thrown: unknown, message: string][] = [
    [undefined, 'undefined'],
    [null, 'null'],
    ['no file', 'no file'],
    [{ code: 7 }, '{ code: 7 }'],
    [moved, 'DelayedError: later'],
  ];
  for (const [thrown, message] of cases) {
    const { jobs, job, result } = setUp();
    const run = jobs.run(job(), 't');
    result.reject(thrown);
    await assert.rejects(run, { name: 'Error', message });
  }
});
