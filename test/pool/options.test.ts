import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join, relative } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { SHARE_ENV } from 'node:worker_threads';
import fc from 'fast-check';
import { camelCase, findKey, KEYS } from '../../src/config/keys.ts';
import { ConfigError, formatProblem } from '../../src/errors.ts';
import { findOption, OPTIONS, optionOfKey } from '../../src/pool/option-definitions.ts';
import { type ResolvedPoolOptions, resolvePoolOptions } from '../../src/pool/options.ts';
import { optionsTable } from '../../src/pool/options-table.ts';
import type { PoolOptions } from '../../src/pool/pool-options.ts';
import { temporaryDirectory } from '../config/helpers.ts';

const CORES = 4;
const MEGABYTE = 1024 ** 2;

/** What a caller that no compiler checks may give. */
type AnyOptions = Readonly<Record<string, unknown>>;

function resolver(t: TestContext): (options?: AnyOptions) => ResolvedPoolOptions {
  const module = join(temporaryDirectory(t, { 'math.js': '' }), 'math.js');
  return (options = {}) => resolvePoolOptions(module, options as PoolOptions, CORES);
}

function problemsOf(resolve: () => unknown): string[] {
  try {
    resolve();
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.problems.map(
        problem => `${problem.code.replace('PH_ERR_CONFIG_', '')} ${formatProblem(problem)}`,
      );
    }
    throw error;
  }
  return [];
}

describe('the options of a pool', () => {
  it('have the defaults of the keys of ph.ini', t => {
    const { config } = resolver(t)();
    const own = ['task', 'number_workers', 'threads', 'proc_name'];
    for (const { name, kind, default: text } of KEYS) {
      if (own.includes(name)) continue;
      const expected = text === undefined ? undefined : kind.parse(text, process.cwd());
      assert.deepEqual(config[camelCase(name) as keyof typeof config], expected, name);
    }
    const { name, procName, numberWorkers, threads, basePath, restart, logLevel, settings } = config;
    assert.deepEqual(
      { name, procName, numberWorkers, threads, basePath, restart, logLevel },
      {
        name: 'math',
        procName: 'math',
        numberWorkers: 1,
        threads: CORES,
        basePath: process.cwd(),
        restart: 'always',
        logLevel: 'info',
      },
    );
    assert.deepEqual(Object.keys(settings), []);
  });

  it('that are no keys have defaults of their own', t => {
    const { maxQueue, retries, env, workerData, resourceLimits } = resolver(t)();
    assert.deepEqual(
      { maxQueue, retries, workerData, resourceLimits },
      { maxQueue: Number.POSITIVE_INFINITY, retries: 0, workerData: undefined, resourceLimits: undefined },
    );
    assert.deepEqual(env, { ...process.env });
    assert.notEqual(env, process.env);
  });

  it('are numbers of milliseconds and bytes, and become what their keys are', t => {
    const resolve = resolver(t);
    const given = {
      processes: 2,
      threads: 3,
      minThreads: 1,
      idleTimeout: 1,
      concurrentTasksPerWorker: 4,
      taskTimeout: 1500,
      abortGrace: 0,
      queueTimeout: 2.4,
      gracefulTimeout: 5,
      heartbeatTimeout: 6,
      bootTimeout: 7,
      maxTasksPerProcess: 8,
      maxTasksPerProcessJitter: 9,
      maxMemory: 2 * MEGABYTE,
      maxThreadMemory: '64M',
      maxLifetime: 10,
      restartDelay: 11,
      restartDelayMax: 12,
      maxRestarts: 13,
      restartWindow: 14,
      ts: 'tsx',
      procName: 'sums',
    } as const;
    const expected: Record<string, unknown> = {
      ...given,
      queueTimeout: 2,
      maxThreadMemory: 64 * MEGABYTE,
    };
    const { config } = resolve(given);
    for (const name of Object.keys(given)) {
      const key = camelCase(findOption(name)?.key ?? '');
      assert.equal(config[key as keyof typeof config], expected[name], name);
    }
    const others = [
      'maxThreads',
      'maxQueue',
      'retries',
      'workerData',
      'env',
      'resourceLimits',
      'niceIncrement',
    ];
    assert.deepEqual([...Object.keys(given), ...others].sort(), Object.keys(OPTIONS).sort());
    assert.equal(config.name, 'sums');
  });

  it('may be Infinity where that is no limit', t => {
    const resolve = resolver(t);
    const infinity = Number.POSITIVE_INFINITY;
    const { config, maxQueue } = resolve({
      maxQueue: infinity,
      taskTimeout: infinity,
      queueTimeout: infinity,
      heartbeatTimeout: infinity,
      maxTasksPerProcess: infinity,
      maxMemory: infinity,
      maxThreadMemory: infinity,
      maxLifetime: infinity,
      idleTimeout: infinity,
    });
    const { taskTimeout, queueTimeout, timeout, maxRequests, maxMemory, maxThreadMemory, maxLifetime } =
      config;
    assert.deepEqual(
      [taskTimeout, queueTimeout, timeout, maxRequests, maxMemory, maxThreadMemory, maxLifetime],
      [0, 0, 0, 0, 0, 0, 0],
    );
    assert.equal(maxQueue, infinity);
    assert.equal(config.idleTimeout, 2 ** 31 - 1);
  });

  it('are as if they were not given where they are undefined', t => {
    const resolve = resolver(t);
    const names = [...Object.keys(OPTIONS), 'no such option'];
    assert.deepEqual(resolve(Object.fromEntries(names.map(name => [name, undefined]))), resolve());
  });

  it('count threads as ph.ini does, and as Piscina names them', t => {
    const resolve = resolver(t);
    const threads = (options: AnyOptions) => resolve(options).config.threads;
    assert.equal(threads({ processes: 2 }), 2);
    assert.equal(threads({ processes: 8 }), 1);
    assert.equal(threads({ processes: 'auto', threads: 'auto' }), 1);
    assert.equal(resolve({ processes: 'auto' }).config.numberWorkers, CORES);
    assert.equal(threads({ processes: 2, minThreads: 3 }), 3);
    assert.equal(threads({ maxThreads: 7, minThreads: 0 }), 7);
    assert.equal(threads({ maxThreads: 7, threads: 7 }), 7);
  });

  it('let as many tasks wait as Piscina would', t => {
    const resolve = resolver(t);
    assert.equal(resolve({ maxQueue: 0 }).maxQueue, 0);
    assert.equal(resolve({ maxQueue: 5 }).maxQueue, 5);
    assert.equal(resolve({ maxQueue: 'auto', processes: 2, threads: 3 }).maxQueue, 36);
    assert.equal(resolve({ maxQueue: 5 }).config.maxQueue, 0, 'no worker process has a limit of its own');
  });

  it('lower the priority of the worker processes, at most to the weakest', t => {
    const resolve = resolver(t);
    assert.equal(resolve({ niceIncrement: 0 }).config.nice, undefined);
    assert.equal(resolve({ niceIncrement: 3 }).config.nice, Math.min(19, getPriority() + 3));
    assert.equal(resolve({ niceIncrement: 100 }).config.nice, 19);
  });

  it('pass on what is for the threads and processes', t => {
    const workerData = { table: new Map([[1, new Uint8Array(3)]]) };
    const resourceLimits = { maxOldGenerationSizeMb: 64, stackSizeMb: 0.5, codeRangeSizeMb: undefined };
    const env = { A: '1', B: undefined };
    const resolved = resolver(t)({ workerData, resourceLimits, env, retries: 2 });
    assert.equal(resolved.workerData, workerData);
    assert.equal(resolved.resourceLimits, resourceLimits);
    assert.deepEqual(resolved.env, env);
    assert.equal(resolved.retries, 2);
  });
});

describe('the task module of a pool', () => {
  it('is a path, a file URL or the text of one', t => {
    const directory = temporaryDirectory(t, { 'a b.js': '' });
    const module = join(directory, 'a b.js');
    const url = pathToFileURL(module);
    for (const form of [module, relative(process.cwd(), module), url, url.href, `${url.href}?v=1`]) {
      const { config } = resolvePoolOptions(form, {}, CORES);
      assert.deepEqual([config.task, config.name], [module, 'a b'], String(form));
    }
  });

  it('has to be there', t => {
    const directory = temporaryDirectory(t);
    mkdirSync(join(directory, 'folder.js'));
    const problems = (filename: unknown) =>
      problemsOf(() => resolvePoolOptions(filename as string, {}, CORES));
    const missing = join(directory, 'none.js');
    const at = 'createPool: filename:';
    assert.deepEqual(problems(missing), [`TASK_MISSING ${at} the task module ${missing} does not exist`]);
    assert.deepEqual(problems(pathToFileURL(missing)), problems(missing));
    const folder = join(directory, 'folder.js');
    assert.deepEqual(problems(folder), [`TASK_MISSING ${at} the task module ${folder} is a directory`]);
    const expected = `VALUE ${at} expected a path or a file: URL, not`;
    assert.deepEqual(problems(new URL('https://host/x.js')), [`${expected} https://host/x.js`]);
    assert.deepEqual(problems('file://%'), [`${expected} 'file://%'`]);
    for (const [value, text] of [
      ['', "''"],
      [undefined, 'undefined'],
      [null, 'null'],
      [3, '3'],
      [{}, '{}'],
    ] as const) {
      assert.deepEqual(problems(value), [`${expected} ${text}`]);
    }
    assert.deepEqual(problems('a\0b'), [`VALUE ${at} expected a path, not "a\\u0000b"`]);
  });
});

describe('what is wrong with the options of a pool', () => {
  const auto = "or 'auto'";
  const milliseconds = 'a number of milliseconds, at most 24 days';
  const above0 = 'a number of milliseconds above 0, at most 24 days';
  const natural = 'an integer of at least 0';
  const size = (minimum: string) =>
    `a size of 0 or at least ${minimum}, in bytes or as a text such as '256M', or Infinity`;
  const expectations: Readonly<
    Record<string, { readonly expected: string; readonly wrong: readonly unknown[] }>
  > = {
    processes: {
      expected: `an integer from 1 to 1024, ${auto}`,
      wrong: [0, 1025, 1.5, '2', 'AUTO', null, Number.NaN],
    },
    threads: { expected: `an integer from 1 to 1024, ${auto}`, wrong: [0, 1025, true] },
    maxThreads: { expected: `an integer from 1 to 1024, ${auto}`, wrong: [0, -1] },
    minThreads: { expected: 'an integer from 0 to 1024', wrong: [-1, 'auto', 1025] },
    idleTimeout: {
      expected: `${milliseconds}, or Infinity`,
      wrong: [-1, '1s', 2 ** 31, Number.NEGATIVE_INFINITY],
    },
    concurrentTasksPerWorker: {
      expected: 'an integer from 1 to 65536',
      wrong: [0, 65_537, Number.POSITIVE_INFINITY],
    },
    maxQueue: { expected: `${natural}, ${auto}, or Infinity`, wrong: [-1, 0.5, 'none'] },
    taskTimeout: { expected: `${milliseconds}, or Infinity`, wrong: [-1, new Date(0)] },
    abortGrace: { expected: milliseconds, wrong: [-1, Number.POSITIVE_INFINITY] },
    queueTimeout: { expected: `${milliseconds}, or Infinity`, wrong: ['soon'] },
    retries: { expected: natural, wrong: [-1, 0.5, '1', Number.POSITIVE_INFINITY] },
    gracefulTimeout: { expected: milliseconds, wrong: [-1] },
    heartbeatTimeout: { expected: `${milliseconds}, or Infinity`, wrong: [-1] },
    bootTimeout: { expected: above0, wrong: [0, -1] },
    maxTasksPerProcess: { expected: `${natural}, or Infinity`, wrong: [-1, 2 ** 53] },
    maxTasksPerProcessJitter: { expected: natural, wrong: [-1] },
    maxMemory: { expected: size('1M'), wrong: [1, -1, '1X', '', true] },
    maxThreadMemory: { expected: size('16M'), wrong: ['15M'] },
    maxLifetime: { expected: `${milliseconds}, or Infinity`, wrong: [1n] },
    restartDelay: { expected: milliseconds, wrong: [{}] },
    restartDelayMax: { expected: above0, wrong: [0] },
    maxRestarts: { expected: natural, wrong: [-1] },
    restartWindow: { expected: above0, wrong: [0] },
    ts: { expected: "one of 'auto', 'native', 'tsx'", wrong: ['swc', true] },
    procName: { expected: 'a text that is not empty', wrong: ['', 3] },
    env: { expected: 'an object of texts', wrong: [3, null, []] },
    resourceLimits: { expected: 'an object of numbers', wrong: [3, null, 'x'] },
    niceIncrement: { expected: natural, wrong: [-1, 1.5] },
  };
  const written = (value: unknown) =>
    typeof value === 'string' ? `'${value}'` : typeof value === 'bigint' ? `${value}n` : value;

  it('is told by option, with what is accepted', t => {
    const resolve = resolver(t);
    for (const [name, { expected, wrong }] of Object.entries(expectations)) {
      for (const value of wrong) {
        const [problem, ...others] = problemsOf(() => resolve({ [name]: value }));
        const start = `VALUE createPool: ${name}: expected ${expected}, not `;
        assert.ok(problem?.startsWith(start), `${problem} instead of ${start}`);
        if (Object(value) !== value) assert.equal(problem, start + written(value));
        assert.deepEqual(others, []);
      }
    }
    assert.deepEqual([...Object.keys(expectations), 'workerData'].sort(), Object.keys(OPTIONS).sort());
  });

  it('is told all at once', t => {
    const problems = problemsOf(() =>
      resolvePoolOptions('', { processes: 0, minThreads: 9, threads: 2, trheads: 1 } as PoolOptions, CORES),
    );
    assert.equal(problems.length, 4);
    assert.throws(() => resolver(t)({ retries: -1 }), { code: 'PH_ERR_CONFIG', name: 'ConfigError' });
  });

  it('is told of an option that there is not, with the one that may be meant', t => {
    const resolve = resolver(t);
    for (const [name, message] of [
      ['gracefultimeout', 'unknown option; did you mean `gracefulTimeout`?'],
      ['graceful_timeout', 'unknown option; did you mean `gracefulTimeout`?'],
      ['procesess', 'unknown option; did you mean `processes`?'],
      ['numberWorkers', 'unknown option; did you mean `processes`?'],
      ['max_requests', 'unknown option; did you mean `maxTasksPerProcess`?'],
      ['log_file', 'unknown option'],
      ['atomics', 'unknown option'],
      ['constructor', 'unknown option'],
      ['timeout', 'unknown option; did you mean `taskTimeout`, or `heartbeatTimeout`?'],
      ['closeTimeout', 'unknown option; did you mean `gracefulTimeout`?'],
      ['filename', 'unknown option; the task module is the first argument of createPool()'],
      [
        'name',
        'unknown option; name the task in run(payload, { name }), and the worker processes with procName',
      ],
    ] as const) {
      const problems = problemsOf(() => resolve({ [name]: 1 }));
      assert.deepEqual(problems, [`UNKNOWN_KEY createPool: ${name}: ${message}`]);
    }
  });

  it('is told of options that are no object', t => {
    const module = join(temporaryDirectory(t, { 'math.js': '' }), 'math.js');
    for (const [value, text] of [
      [null, 'null'],
      [3, '3'],
      [[], '[]'],
    ] as const) {
      assert.deepEqual(
        problemsOf(() => resolvePoolOptions(module, value as unknown as PoolOptions, CORES)),
        [`VALUE createPool: options: expected an object, not ${text}`],
      );
    }
  });

  it('is told of options that contradict each other', t => {
    const resolve = resolver(t);
    for (const [options, problem] of [
      [
        { threads: 2, maxThreads: 4 },
        'VALUE createPool: maxThreads: is another name for threads, and the two differ: 4, 2',
      ],
      [
        { threads: 2, minThreads: 3 },
        'MIN_THREADS createPool: minThreads: minThreads (3) exceeds threads (2)',
      ],
      [
        { maxThreads: 2, minThreads: 3 },
        'MIN_THREADS createPool: minThreads: minThreads (3) exceeds maxThreads (2)',
      ],
      [
        { restartDelay: 60_000 },
        'RESTART_DELAY createPool: restartDelay: restartDelay (60000 ms) exceeds restartDelayMax (30000 ms)',
      ],
      [
        { restartDelay: 2, restartDelayMax: 1 },
        'RESTART_DELAY createPool: restartDelayMax: restartDelay (2 ms) exceeds restartDelayMax (1 ms)',
      ],
      [
        { maxThreadMemory: '64M', resourceLimits: { maxOldGenerationSizeMb: 64 } },
        'VALUE createPool: resourceLimits: maxOldGenerationSizeMb is the same limit as maxThreadMemory: give one of them',
      ],
    ] as const) {
      assert.deepEqual(
        problemsOf(() => resolve(options)),
        [problem],
      );
    }
    resolve({ maxThreadMemory: 0, resourceLimits: { maxOldGenerationSizeMb: 64 } });
    assert.equal(problemsOf(() => resolve({ threads: 0, maxThreads: 4, minThreads: 5 })).length, 1);
  });

  it('is told of each variable and limit', t => {
    const resolve = resolver(t);
    const env = { GOOD: 'x', '': 'x', 'A=B': 'x', NUMBER: 8080, NUL: 'secret\0' };
    assert.deepEqual(
      problemsOf(() => resolve({ env })),
      [
        "VALUE createPool: env: no environment can hold the name ''",
        "VALUE createPool: env: no environment can hold the name 'A=B'",
        'VALUE createPool: env: NUMBER is no text',
        'VALUE createPool: env: NUL holds a NUL character, which no environment can',
      ],
    );
    assert.match(
      problemsOf(() => resolve({ env: SHARE_ENV }))[0] ?? '',
      /env: processes cannot share an environment/,
    );
    const resourceLimits = { stackSizeMb: 0, codeRangeSizeMb: '1', maxOldGenerationSizeMB: 64, heap: 1 };
    assert.deepEqual(
      problemsOf(() => resolve({ resourceLimits })),
      [
        'VALUE createPool: resourceLimits: stackSizeMb: expected a number above 0, not 0',
        "VALUE createPool: resourceLimits: codeRangeSizeMb: expected a number above 0, not '1'",
        'VALUE createPool: resourceLimits: maxOldGenerationSizeMB: unknown limit; did you mean `maxOldGenerationSizeMb`?',
        'VALUE createPool: resourceLimits: heap: unknown limit',
      ],
    );
  });

  it('is told of data that cannot be cloned', t => {
    const resolve = resolver(t);
    const throwing = {
      get secret(): never {
        throw 'no';
      },
    };
    for (const [workerData, message] of [
      [{ id: Symbol('x') }, 'Symbol(x) could not be cloned.'],
      [new SharedArrayBuffer(8), '#<SharedArrayBuffer> could not be cloned.'],
      [throwing, "'no'"],
    ] as const) {
      assert.deepEqual(
        problemsOf(() => resolve({ workerData })),
        [`VALUE createPool: workerData: cannot be cloned: ${message}`],
      );
    }
  });
});

describe('any options', () => {
  it('give a configuration whose values are in range, or a ConfigError', t => {
    const module = join(temporaryDirectory(t, { 'math.js': '' }), 'math.js');
    const value = fc.oneof(
      fc.integer({ min: -2, max: 20 }),
      fc.integer(),
      fc.double(),
      fc.constantFrom(
        'auto',
        '256M',
        '',
        'tsx',
        null,
        undefined,
        true,
        Number.POSITIVE_INFINITY,
        2 ** 31 - 1,
      ),
      fc.anything({ withBigInt: true, withMap: true, withSparseArray: true, withObjectString: true }),
    );
    const options = fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(OPTIONS)), fc.string()), value, {
      maxKeys: 6,
    });
    const usable = fc.record(
      {
        processes: fc.oneof(fc.integer({ min: 1, max: 1024 }), fc.constant('auto')),
        threads: fc.oneof(fc.integer({ min: 1, max: 1024 }), fc.constant('auto')),
        minThreads: fc.integer({ min: 0, max: 1024 }),
        taskTimeout: fc.double({ min: 0, max: 2 ** 31 - 1, noNaN: true }),
        maxMemory: fc.oneof(fc.maxSafeNat(), fc.constantFrom('1G', '1.5M')),
        maxQueue: fc.oneof(fc.nat(), fc.constantFrom('auto', Number.POSITIVE_INFINITY)),
        niceIncrement: fc.nat(),
        retries: fc.nat(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(options, usable), given => {
        let resolved: ResolvedPoolOptions;
        try {
          resolved = resolvePoolOptions(module, given as PoolOptions, CORES);
        } catch (error) {
          assert.ok(error instanceof ConfigError, String(error));
          assert.ok(error.problems.length > 0);
          for (const { file, key } of error.problems) assert.ok(file === 'createPool' && key !== undefined);
          return;
        }
        const { config, maxQueue, retries } = resolved;
        assert.ok(maxQueue === Number.POSITIVE_INFINITY || (Number.isInteger(maxQueue) && maxQueue >= 0));
        assert.ok(Number.isInteger(retries) && retries >= 0);
        assert.ok(config.threads >= 1 && config.threads >= (config.minThreads ?? 0));
        assert.ok(config.nice === undefined || (config.nice <= 19 && config.nice >= getPriority()));
        for (const { name, kind } of KEYS) {
          const value = config[camelCase(name) as keyof typeof config];
          // What a key has become is what it may be written as, durations as milliseconds.
          const unit = kind.label.startsWith('duration') ? 'ms' : '';
          if (typeof value === 'number' && name !== 'umask') {
            assert.equal(kind.parse(`${value}${unit}`, '/'), value, name);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the table of options', () => {
  it('names each key once, but for the two names of threads', () => {
    const keys = Object.keys(OPTIONS).flatMap(name => findOption(name)?.key ?? []);
    assert.deepEqual(
      keys.filter((key, index) => keys.indexOf(key) !== index),
      ['threads'],
    );
    for (const key of keys) assert.ok(findKey(key));
    assert.equal(optionOfKey('max_requests'), 'maxTasksPerProcess');
    assert.equal(optionOfKey('pidfile'), undefined);
  });

  it('is documented as a Markdown table with a row for each', () => {
    const lines = optionsTable().split('\n');
    assert.equal(lines.length, Object.keys(OPTIONS).length + 2);
    for (const line of lines) assert.equal(line.split('|').length, 6, line);
    const row =
      '| `abortGrace` | `500` | `abort_grace` | How long a task that was aborted, or is over its taskTimeout, may take to end before its thread is ended. (a number of milliseconds, at most 24 days) |';
    assert.ok(lines.includes(row));
    assert.match(
      optionsTable(),
      /\| `maxQueue` \| `Infinity` \| `max_queue` \|.* As in Piscina\. \(an integer/,
    );
  });
});
