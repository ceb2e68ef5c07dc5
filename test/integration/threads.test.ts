import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogRecord, startPh } from '../helpers/ph.ts';
import { createProject } from '../helpers/project.ts';

const source = `
import { SyncWorker } from 'processhandler';

class PaymentError extends RangeError {}

export const loop = () => { for (;;); };
export const nap = ms => new Promise(resolve => setTimeout(resolve, ms, 'slept'));
export const hog = () => { let list; for (;;) list = { list }; };
export const exit = code => process.exit(code);
export const pay = amount => { throw Object.assign(new PaymentError('no ' + amount), { code: 'E_PAY' }); };

/** Runs one task in each round, beside a nap on the other thread, and logs what came of both. */
export default class Rounds extends SyncWorker {
  #todo = [['loop'], ['hog'], ['exit', 3], ['pay', 5], ['missing']];
  async handleRequest() {
    const [name, payload] = this.#todo.shift() ?? [];
    if (!name) return this.sleep(60_000);
    const nap = this.pool.run(400, { name: 'nap', timeout: 0 });
    const limit = name === 'loop' ? {} : { timeout: 0 };
    const error = await this.pool.run(payload, { name, ...limit }).catch(error => error);
    const { code, message } = error;
    const result = { task: name, name: error.name, code, message, isRange: error instanceof RangeError, nap: await nap };
    this.logger.info(result, 'round done');
  }
}
`;

test('S42 whatever a task does ends its thread at the most: the round gets its error, other thread and process go on', async t => {
  const project = createProject(t, { 'rounds.mjs': source });
  const limits = ['--set', 'task_timeout=300ms', '--set', 'max_thread_memory=32M'];
  const ph = startPh(t, ['run', 'rounds.mjs', '-t', '2', ...limits], { cwd: project.directory });
  const [pid] = (await ph.ready()).values();
  const rounds = await ph.logs('round done', 5);
  const seen = rounds.map(({ task, name, code, message, nap }) => ({ task, name, code, message, nap }));
  assert.deepEqual(seen, [
    {
      task: 'loop',
      name: 'TaskTimeoutError',
      code: 'PH_ERR_TASK_TIMEOUT',
      message: 'task loop ran longer than 300 ms',
      nap: 'slept',
    },
    {
      task: 'hog',
      name: 'ThreadExitError',
      code: 'PH_ERR_THREAD_EXIT',
      message:
        'the thread that ran task hog ended: out of memory (max_thread_memory, or what Node chose where that is 0)',
      nap: 'slept',
    },
    {
      task: 'exit',
      name: 'ThreadExitError',
      code: 'PH_ERR_THREAD_EXIT',
      message: 'the thread that ran task exit ended: it exited with code 3',
      nap: 'slept',
    },
    { task: 'pay', name: 'PaymentError', code: 'E_PAY', message: 'no 5', nap: 'slept' },
    {
      task: 'missing',
      name: 'UnknownTaskError',
      code: 'PH_ERR_UNKNOWN_TASK',
      message: 'no task is named "missing"; there are: exit, hog, loop, nap, pay',
      nap: 'slept',
    },
  ]);
  assert.equal(rounds[3]?.isRange, true, 'an own class is still what it extends');
  assert.deepEqual([...new Set(rounds.map(record => record.pid))], [pid]);
  assert.deepEqual(ph.workers, [pid]);
});

test('an error of a task that handleRequest does not catch ends the process, told with the stack of the task', async t => {
  const project = createProject(t, {
    'job.mjs': `
import { SyncWorker } from 'processhandler';
export function divide() { throw new TypeError('cannot divide'); }
export default class Job extends SyncWorker {
  async handleRequest() { await this.pool.run(0, { name: 'divide' }); }
}`,
  });
  const args = ['run', 'job.mjs', '-t', '1', '--set', 'restart=never'];
  const ph = startPh(t, args, { cwd: project.directory });
  assert.equal((await ph.exit).code, 1);
  const { err } = await ph.log('the worker failed');
  const { type, message, stack } = err as Readonly<Record<string, string>>;
  assert.deepEqual([type, message], ['TypeError', 'cannot divide']);
  assert.match(
    stack ?? '',
    /^TypeError: cannot divide\n\s+at .*divide.*job\.mjs:3[\s\S]+at async Job\.handleRequest .*job\.mjs:5/,
  );
});

test('a stop ends this.sleep() at once, aborts this.signal, and lets round and tasks in hand finish', async t => {
  const project = createProject(t, {
    'drain.mjs': `
import { SyncWorker } from 'processhandler';
export const nap = ms => new Promise(resolve => setTimeout(resolve, ms));
export default class Drain extends SyncWorker {
  initProcess() { this.signal.addEventListener('abort', () => this.logger.info('signal aborted')); }
  async handleRequest() {
    void this.pool.run(300, { name: 'nap' }).then(() => this.logger.info('task finished'));
    await this.sleep(60_000);
    await this.pool.run(100, { name: 'nap' });
    this.logger.info('round finished');
  }
  stop() { this.logger.info('stop called'); }
}`,
  });
  const ph = startPh(t, ['run', 'drain.mjs', '-t', '2'], { cwd: project.directory });
  await ph.ready();
  const begun = performance.now();
  assert.equal((await ph.stop()).code, 0);
  assert.ok(performance.now() - begun < 10_000);
  const told = ph.records.filter((record: LogRecord) => record.name === 'drain').map(({ msg }) => msg);
  assert.deepEqual(told, ['signal aborted', 'round finished', 'stop called', 'task finished']);
  assert.equal((await ph.log(({ exit }) => exit !== undefined)).exit, 'drained');
});

test('rounds come one after another, and an endless row of them leaves the worker alive to its master', async t => {
  const project = createProject(t, {
    'busy.mjs': `
import { SyncWorker } from 'processhandler';
export default class Busy extends SyncWorker {
  #inside = 0;
  #rounds = 0;
  async handleRequest() {
    if (++this.#inside > 1) throw new Error('two rounds at once');
    if (this.#rounds++ % 100 === 99) this.logger.info('a hundred rounds');
    this.#inside--;
  }
}`,
  });
  const args = ['run', 'busy.mjs', '-t', '0', '--set', 'timeout=300ms'];
  const ph = startPh(t, args, { cwd: project.directory });
  const [pid] = (await ph.ready()).values();
  const [first] = await ph.logs('a hundred rounds', 1);
  // Longer than the time-out: its heartbeats have to come through.
  await ph.log(({ msg, time }) => msg === 'a hundred rounds' && Number(time) > Number(first?.time) + 800);
  assert.deepEqual(ph.workers, [pid]);
  assert.equal((await ph.stop()).code, 0);
});
