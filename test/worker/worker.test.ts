import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { SectionConfig } from '../../src/config/types.ts';
import {
  isWorkerClass,
  SyncWorker,
  type TaskPool,
  Worker,
  type WorkerContext,
} from '../../src/worker/worker.ts';

const pool: TaskPool = {
  run: () => Promise.reject(new Error('this test has no threads')),
};

/** What a host would give, with the two things that a test wants to see. */
function host(config: Partial<SectionConfig> = {}) {
  const controller = new AbortController();
  const counted = { requests: 0 };
  const context: WorkerContext = {
    config: config as SectionConfig,
    logger: pino({ level: 'silent' }),
    pool,
    signal: controller.signal,
    index: 3,
    countRequest: () => {
      counted.requests++;
    },
  };
  return { context, counted, drain: () => controller.abort() };
}

test('a Worker has what the host gives it', () => {
  const { context } = host({ name: 'jobs' });
  const worker = new Worker(context);
  assert.equal(worker.config.name, 'jobs');
  assert.equal(worker.logger, context.logger);
  assert.equal(worker.pool, pool);
  assert.equal(worker.signal, context.signal);
  assert.equal(worker.index, 3);
});

test('a Worker that overrides nothing serves until draining begins', async () => {
  const { context, drain } = host();
  const worker = new Worker(context);
  let ended = false;
  const run = Promise.resolve(worker.run()).then(() => {
    ended = true;
  });
  await new Promise(setImmediate);
  assert.equal(ended, false);
  drain();
  await run;
  await worker.run(); // draining already: returns at once
});

test('a SyncWorker does one round after another, and counts each as a request', async () => {
  const { context, counted, drain } = host();
  let atOnce = 0;
  class Rounds extends SyncWorker {
    override async handleRequest() {
      assert.equal(++atOnce, 1, 'never two rounds at once');
      await this.sleep(1);
      atOnce--;
      if (counted.requests === 4) drain();
    }
  }
  await new Rounds(context).run();
  assert.equal(counted.requests, 5, 'the round in which draining began was finished');
});

test('a SyncWorker whose rounds never wait leaves turns to timers and signals', async () => {
  const { context, counted, drain } = host();
  class Busy extends SyncWorker {
    override handleRequest() {}
  }
  setTimeout(drain, 5);
  await new Busy(context).run();
  assert.ok(counted.requests > 0);
});

test('an error in handleRequest ends run()', async () => {
  class Failing extends SyncWorker {
    override handleRequest() {
      throw new RangeError('round');
    }
  }
  await assert.rejects(new Failing(host().context).run(), { name: 'RangeError', message: 'round' });
});

test('sleep() ends when draining begins, and keeps no listener afterwards', async () => {
  const { context, drain } = host();
  class Sleeper extends Worker {
    override async run() {
      for (let n = 0; n < 30; n++) await this.sleep(0);
      await this.sleep(60_000);
    }
  }
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  const run = new Sleeper(context).run();
  setTimeout(drain, 50);
  const start = performance.now();
  await run;
  process.removeListener('warning', onWarning);
  assert.ok(performance.now() - start < 10_000);
  assert.deepEqual(warnings, []);
});

test('a Worker may count requests of its own', () => {
  class Counting extends Worker {
    serve() {
      this.countRequest();
    }
  }
  const { context, counted } = host();
  new Counting(context).serve();
  assert.equal(counted.requests, 1);
});

test('a class is known as a Worker, also one of another copy of this package', () => {
  const Other = Object.assign(class {}, { [Symbol.for('processhandler.Worker')]: true });
  assert.ok(
    isWorkerClass(
      class extends SyncWorker {
        override handleRequest() {}
      },
    ),
  );
  assert.ok(isWorkerClass(Other));
  for (const value of [class {}, () => 1, {}, null, undefined, 'Worker']) assert.ok(!isWorkerClass(value));
});
