import assert from 'node:assert/strict';
import { createServer } from 'node:net';
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

/** What a host would give, with what a test wants to see. */
function host(config: Partial<SectionConfig> = {}) {
  const controller = new AbortController();
  const counted = { requests: 0, served: [] as (string | undefined)[] };
  const context: WorkerContext = {
    config: config as SectionConfig,
    logger: pino({ level: 'silent' }),
    pool,
    signal: controller.signal,
    index: 3,
    countRpc: () => {},
    countRequest: () => {
      counted.requests++;
    },
    listeners: [{ fd: 6, address: '127.0.0.1:8080', backlog: 10 }],
    serve: async (_, listener) => {
      counted.served.push(listener?.address);
    },
    tasks: new Map(),
    rpcThreads: { submitRpc: () => 0, takeBack: () => false, cancel: () => {} },
    jobThreads: {
      taskNames: [],
      runJob: () => {
        throw new Error('this test has no threads');
      },
    },
    watchQueue: () => {},
    retire: () => {},
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
  assert.equal(worker.listeners, context.listeners);
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
    count() {
      this.countRequest();
    }
  }
  const { context, counted } = host();
  new Counting(context).count();
  assert.equal(counted.requests, 1);
});

test('a Worker serves on the first listener, or on the one that it names', async () => {
  class Serving extends Worker {
    override async initProcess() {
      await this.serve(createServer());
      await this.serve(createServer(), { fd: 7, address: 'unix:/x', backlog: 10 });
    }
  }
  const { context, counted } = host();
  await new Serving(context).initProcess();
  assert.deepEqual(counted.served, ['127.0.0.1:8080', 'unix:/x']);
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
