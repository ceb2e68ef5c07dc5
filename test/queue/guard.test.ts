import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IQueueBackend, MoveToDelayedOpts } from 'bullmq';
import { Guard } from '../../src/queue/guard.ts';

/** As BullMQ makes them. */
const scriptError = (code: number) => Object.assign(new Error(`code ${code}`), { code });
const away = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

/** A back end whose answers the test gives; `calls` has the token of each attempt to finish, and what it may fetch. */
function guarded(answers: readonly (Error | string)[], state = 'active') {
  const calls: [token: string, fetchNext: boolean][] = [];
  const troubles: string[] = [];
  let takes = 0;
  const left = [...answers];
  const backend = {
    moveToActive: async () => {
      takes++;
      return [undefined, undefined, 0, 0];
    },
    moveToCompleted: async (
      _job: unknown,
      _value: unknown,
      _keep: unknown,
      token: string,
      fetchNext: boolean,
    ) => {
      calls.push([token, fetchNext]);
      const answer = left.shift();
      if (answer instanceof Error) throw answer;
      return { result: answer, finishedOn: 1 };
    },
    moveToFailed: async () => ({ result: undefined, finishedOn: 1 }),
    moveToDelayed: async (
      _id: string,
      _at: number,
      _wait: number,
      token: string,
      options: MoveToDelayedOpts,
    ) => {
      calls.push([token, options.fetchNext as boolean]);
      const answer = left.shift();
      if (answer instanceof Error) throw answer;
      return [answer];
    },
    retryJob: async (_id: string, _lifo: boolean, token: string) => {
      calls.push([token, false]);
      const answer = left.shift();
      if (answer instanceof Error) throw answer;
    },
    getState: async () => state,
  } as unknown as IQueueBackend;
  const guard = new Guard({
    onAnswer: () => {},
    onTrouble: error => troubles.push((error as Error).message),
    onSettled: () => {},
  });
  guard.watch(backend);
  const complete = async () => {
    const finished = await backend.moveToCompleted({ id: '7' } as never, 1, false, 'mine', true);
    return finished.result;
  };
  return { guard, backend, complete, calls, troubles, takes: () => takes };
}

test('a result is told again until the server is there', async () => {
  const { complete, calls, troubles } = guarded([away(), away(), 'next']);
  assert.equal(await complete(), 'next');
  assert.deepEqual(calls, [
    ['mine', true],
    ['mine', true],
    ['mine', true],
  ]);
  assert.equal(troubles.length, 2);
});

test('a job whose lock has expired, and that nobody has taken since, is finished rather than run again', async () => {
  const { complete, calls } = guarded([scriptError(-2), 'done']);
  await complete();
  assert.deepEqual(calls, [
    ['mine', true],
    ['0', false],
  ]);
});

test('a job that another worker has taken is left to it', async () => {
  const { complete, calls } = guarded([scriptError(-6)]);
  await assert.rejects(complete(), { code: -6 });
  assert.equal(calls.length, 1);
});

test('a job that was finished, and the answer lost, is no error; one that waits for another run is', async () => {
  await guarded([away(), scriptError(-3)], 'completed').complete();
  await guarded([scriptError(-2), scriptError(-3)], 'completed').complete();
  await guarded([away(), scriptError(-1)]).complete();
  await assert.rejects(guarded([away(), scriptError(-3)], 'waiting').complete(), { code: -3 });
  await assert.rejects(guarded([scriptError(-3)], 'completed').complete(), { code: -3 });
});

test('once stopped, no job is asked for, and none comes with the end of another', async () => {
  const { guard, backend, complete, calls, takes } = guarded(['done']);
  guard.stop();
  assert.deepEqual(await backend.moveToActive('mine', 'name'), [undefined, undefined, 0, 0]);
  await complete();
  assert.equal(takes(), 0);
  assert.deepEqual(calls, [['mine', false]]);
});

test('that a job has failed, and is to run again, is told until the server is there, too', async () => {
  const { backend, calls, troubles, guard } = guarded([
    away(),
    'next',
    scriptError(-2),
    'done',
    away(),
    'done',
  ]);
  const delayed = () => backend.moveToDelayed('7', 1, 1000, 'mine', { fetchNext: true });
  const before = performance.now();
  assert.deepEqual(await delayed(), ['next']);
  // A job that comes with the end of another is one that was asked for.
  assert.ok(guard.silence < performance.now() - before);
  await delayed();
  await backend.retryJob('7', false, 'mine');
  assert.deepEqual(calls, [
    ['mine', true],
    ['mine', true],
    ['mine', true],
    ['0', false],
    ['mine', false],
    ['mine', false],
  ]);
  assert.equal(troubles.length, 2);
});
