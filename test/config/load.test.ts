import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type LoadOptions, loadConfiguration, readConfiguration } from '../../src/config/load.ts';
import { ConfigError } from '../../src/errors.ts';
import { read, summary, temporaryDirectory } from './helpers.ts';

const JOB = '[job]\ntask = job.js\n';

describe('a configuration', () => {
  it('has typed values: milliseconds, bytes, absolute paths', t => {
    const ini = `${JOB}graceful_timeout = 1.5\nmax_memory = 256M\nstop_signal = int\npidfile = x.pid\nnice = -5\n`;
    const { configuration, directory } = read(t, ini);
    const job = configuration?.sections.get('job');
    assert.deepEqual(
      [job?.name, job?.task, job?.gracefulTimeout, job?.maxMemory, job?.stopSignal, job?.pidfile, job?.nice],
      ['job', join(directory, 'job.js'), 1500, 256 * 1024 ** 2, 'SIGINT', join(directory, 'x.pid'), -5],
    );
  });

  it('has the built-in defaults for what nobody sets', t => {
    const { configuration, directory } = read(t, JOB);
    assert.deepEqual(
      { ...configuration?.sections.get('job'), settings: {} },
      {
        name: 'job',
        settings: {},
        task: join(directory, 'job.js'),
        numberWorkers: 1,
        threads: 4,
        minThreads: undefined,
        idleTimeout: 0,
        concurrentTasksPerWorker: 1,
        gracefulTimeout: 30_000,
        timeout: 30_000,
        bootTimeout: 60_000,
        taskTimeout: 0,
        abortGrace: 500,
        queueTimeout: 0,
        maxRequests: 0,
        maxRequestsJitter: 0,
        maxMemory: 0,
        maxThreadMemory: 0,
        maxLifetime: 0,
        restart: 'always',
        restartDelay: 100,
        restartDelayMax: 30_000,
        maxRestarts: 10,
        restartWindow: 60_000,
        stopSignal: 'SIGTERM',
        maxQueue: 0,
        bind: undefined,
        backlog: 2048,
        rpcToken: undefined,
        rpcPublic: false,
        rpcMaxBody: 1024 ** 2,
        rpcMaxBatch: 1000,
        rpcRequestTimeout: 30_000,
        rpcStacks: false,
        queue: undefined,
        queueUrl: undefined,
        queuePrefix: undefined,
        concurrency: undefined,
        lockDuration: 30_000,
        maxStalled: 1,
        queueWatchdog: 30_000,
        schedule: undefined,
        scheduleTimezone: undefined,
        daemonize: false,
        pidfile: undefined,
        singleInstance: true,
        controlSocket: undefined,
        metricsBind: undefined,
        onReady: undefined,
        onExit: undefined,
        onFailed: undefined,
        onReload: undefined,
        hookTimeout: 30_000,
        procName: 'job',
        logFile: undefined,
        logLevel: 'info',
        logFormat: 'auto',
        logMaxSize: 50 * 1024 ** 2,
        logKeep: 10,
        basePath: directory,
        logPath: directory,
        user: undefined,
        group: undefined,
        umask: undefined,
        nice: undefined,
        environment: undefined,
        envFile: undefined,
        ts: 'auto',
      },
    );
  });

  it('divides the cores among worker processes and their threads', t => {
    const counts = (keys: string, cores: number) => {
      const job = read(t, `${JOB}${keys}`, { cores }).configuration?.sections.get('job');
      return [job?.numberWorkers, job?.threads];
    };
    assert.deepEqual(counts('number_workers = auto\n', 4), [4, 1]);
    assert.deepEqual(counts('number_workers = 2\n', 5), [2, 2]);
    assert.deepEqual(counts('number_workers = 9\n', 4), [9, 1]);
    assert.deepEqual(counts('threads = 0\n', 4), [1, 0]);
    assert.deepEqual(counts('threads = 7\n', 4), [1, 7]);
    assert.deepEqual(counts('number_workers = 2\nmin_threads = 3\n', 4), [2, 3]);
  });

  it('keeps unknown keys as the text settings of the application', t => {
    const ini = `[DEFAULT]\nhosts = a,b\n${JOB}Port = 007\n__proto__ = x\nusers = %(hosts)s\ntasks = 1\nname = n\n`;
    const settings = read(t, ini).configuration?.sections.get('job')?.settings ?? {};
    assert.deepEqual(Object.entries(settings).sort(), [
      ['__proto__', 'x'],
      ['hosts', 'a,b'],
      ['name', 'n'],
      ['port', '007'],
      ['tasks', '1'],
      ['users', 'a,b'],
    ]);
    assert.equal(Object.getPrototypeOf(settings), null);
    assert.ok(Object.isFrozen(settings));
  });

  it('lets a section unset what has no built-in default', t => {
    const { configuration } = read(t, `[DEFAULT]\npidfile = x.pid\n${JOB}pidfile =\n`);
    assert.equal(configuration?.sections.get('job')?.pidfile, undefined);
    assert.deepEqual(configuration?.supervisor.pidfiles, []);
  });

  it('gathers what is the supervisor own, and the distinct pidfiles', t => {
    const ini =
      '[DEFAULT]\ntask = job.js\nsingle_instance = no\n[a]\npidfile = 1\n[b]\npidfile = 2\n[c]\npidfile = 1\n';
    const { configuration, directory } = read(t, ini);
    assert.deepEqual(configuration?.supervisor, {
      daemonize: false,
      singleInstance: false,
      controlSocket: join(directory, '1.sock'),
      metricsBind: undefined,
      onReady: undefined,
      onReload: undefined,
      hookTimeout: 30_000,
      pidfiles: [join(directory, '1'), join(directory, '2')],
    });
  });

  it('puts the control socket where it is told, beside the pidfile, or beside the file', t => {
    const where = (keys: string) => read(t, `${JOB}${keys}`).configuration?.supervisor.controlSocket;
    assert.equal(where('control_socket = /run/x.sock\n'), '/run/x.sock');
    assert.equal(where('pidfile = /run/x.pid\n'), '/run/x.pid.sock');
    assert.match(where('') ?? '', /^.*\/\.ph\.sock$/);
  });
});

describe('the layers', () => {
  it('are, weakest first: built-in, [DEFAULT], section, environment, command line', t => {
    const limit = (ini: string, env: Record<string, string> = {}, overrides = new Map<string, string>()) =>
      read(t, ini, { env, overrides }).configuration?.sections.get('job')?.maxRequests;
    const inDefault = `[DEFAULT]\nmax_requests = 1\n${JOB}`;
    const inSection = `${inDefault}max_requests = 2\n`;
    assert.equal(limit(JOB), 0);
    assert.equal(limit(inDefault), 1);
    assert.equal(limit(inSection), 2);
    assert.equal(limit(inSection, { PH_MAX_REQUESTS: '3' }), 3);
    assert.equal(limit(inSection, { PH_MAX_REQUESTS: '3' }, new Map([['Max_Requests', '4']])), 4);
  });

  it('see each other through references, late', t => {
    const ini = `[DEFAULT]\nbase = /a\nlog = %(base)s/%(x)s\nx = ?\n${JOB}x = 100%%\n`;
    const { texts } = read(t, ini, { overrides: new Map([['base', '50% %(x)s']]) });
    assert.equal(texts.get('job')?.get('log'), '50% %(x)s/100%');
  });

  it('take environment and command line literally', t => {
    const { texts } = read(t, JOB, { env: { PH_USER: '%(task)s' }, overrides: new Map([['group', '50%']]) });
    assert.equal(texts.get('job')?.get('user'), '%(task)s');
    assert.equal(texts.get('job')?.get('group'), '50%');
  });

  it('take only known keys from the environment, and no empty ones', t => {
    const env = { PH_INSTANCE: '2', PH_FOO: 'x', PH_USER: '', ph_group: 'x' };
    assert.deepEqual(read(t, JOB, { env }).texts.get('job'), new Map([['task', 'job.js']]));
  });

  it('give built-in defaults to references, not to the texts', t => {
    const { texts, configuration, directory } = read(
      t,
      `${JOB}pidfile = %(base_path)s/%(proc_name)s-%(timeout)s.pid\n`,
    );
    assert.equal(texts.get('job')?.get('pidfile'), './job-30.pid');
    assert.equal(texts.get('job')?.has('timeout'), false);
    assert.equal(configuration?.sections.get('job')?.pidfile, join(directory, 'job-30.pid'));
  });
});

describe('a relative path', () => {
  it('counts from the directory of the file, or from the working directory on the command line', t => {
    const elsewhere = temporaryDirectory(t);
    mkdirSync(join(elsewhere, 'base'));
    const { configuration, directory } = read(t, `${JOB}log_file = x.log\npidfile = %(base_path)s/x.pid\n`, {
      directory: elsewhere,
      env: { PH_BASE_PATH: 'base' },
      overrides: new Map([['log_path', 'logs']]),
    });
    const job = configuration?.sections.get('job');
    assert.deepEqual(
      [configuration?.directory, job?.task, job?.logFile, job?.basePath, job?.pidfile, job?.logPath],
      [
        directory,
        join(directory, 'job.js'),
        join(directory, 'x.log'),
        join(elsewhere, 'base'),
        join(elsewhere, 'base/x.pid'),
        join(elsewhere, 'logs'),
      ],
    );
  });

  it('counts from the working directory where there is no file', t => {
    const directory = temporaryDirectory(t, { 'job.ts': '' });
    const { sections, file } = loadConfiguration({ directory, env: {}, task: 'job.ts' });
    assert.equal(file, undefined);
    assert.deepEqual(
      [sections.get('job')?.task, sections.get('job')?.basePath],
      [join(directory, 'job.ts'), directory],
    );
  });
});

describe('the sections that run', () => {
  const ini = '[DEFAULT]\ntimeout = 7\n[a]\ntask = job.js\n[b]\nx = 1\n[c]\ntask = job.js\n';
  const names = (t: Parameters<typeof read>[0], options: Partial<LoadOptions>) => [
    ...(read(t, ini, options).configuration?.sections.keys() ?? []),
  ];

  it('are those that have a task, or those that are asked for', t => {
    assert.deepEqual(names(t, {}), ['a', 'c']);
    assert.deepEqual(names(t, { sections: [] }), ['a', 'c']);
    assert.deepEqual(names(t, { sections: ['c'] }), ['c']);
    assert.deepEqual(names(t, { task: 'job.js', sections: ['b', 'c'] }), ['b', 'c']);
  });

  it('are, for a task file, that of its base name, which need not be there', t => {
    const { configuration, texts, directory } = read(t, ini, { task: 'job.js' });
    assert.deepEqual([...(configuration?.sections.keys() ?? [])], ['job']);
    assert.equal(configuration?.sections.get('job')?.timeout, 7000);
    assert.deepEqual(Object.fromEntries(texts.get('job') ?? []), {
      timeout: '7',
      task: join(directory, 'job.js'),
    });
    assert.deepEqual([...texts.keys()], ['job'], 'nothing of sections that would not run');
  });

  it('do not suffer from mistakes in the others, unless all are checked', t => {
    const bad = `${JOB}[other]\nx = %(nope)s\ny = 1\ntimeout = soon\n`;
    assert.deepEqual(summary(read(t, bad, { sections: ['job'] }).problems), []);
    const { problems, texts } = read(t, bad);
    assert.deepEqual(summary(problems), ['INTERPOLATION_MISSING 4 [other] x']);
    assert.deepEqual([...(texts.get('other')?.keys() ?? [])].sort(), ['timeout', 'y']);
  });

  it('that are missing or have no task are a problem that tells what is there', t => {
    const { problems } = read(t, ini, { sections: ['x', 'b'] });
    assert.deepEqual(summary(problems), ['SECTION [x]', 'NO_TASK [b]']);
    assert.match(problems[0]?.message ?? '', /a, b, c/);
  });

  it('are missing altogether: the problem says what to do', t => {
    assert.match(read(t, '[a]\n[b]\n').problems[0]?.message ?? '', /to one of a, b/);
    assert.match(read(t, '').problems[0]?.message ?? '', /there is no section/);
    const directory = temporaryDirectory(t);
    assert.match(
      readConfiguration({ directory, env: {} }).problems[0]?.message ?? '',
      /ph run FILE, or write a ph\.ini/,
    );
    const asked = readConfiguration({ directory, env: {}, sections: ['a'] });
    assert.deepEqual(summary(asked.problems), ['SECTION [a]']);
  });
});

describe('a problem', () => {
  it('is reported with all others, in the order of the lines', t => {
    const ini = `[DEFAULT]\ntimeout = soon\n${JOB}number_workers = 0\nx = %(nope)s\ntimeouts = 3\ngarbage\nts = coffee\n`;
    assert.deepEqual(summary(read(t, ini).problems), [
      'VALUE 2 [job] timeout',
      'VALUE 5 [job] number_workers',
      'INTERPOLATION_MISSING 6 [job] x',
      'UNKNOWN_KEY 7 [job] timeouts',
      'SYNTAX 8 [job]',
      'VALUE 9 [job] ts',
    ]);
  });

  it('of [DEFAULT] is not repeated for each section', t => {
    const { problems } = read(t, '[DEFAULT]\ntask = job.js\ntimeout = soon\n[a]\n[b]\n[c]\ntimeout = 1\n');
    assert.deepEqual(summary(problems), ['VALUE 3 [DEFAULT] timeout']);
  });

  it('names the place outside the file that it comes from', t => {
    const { problems } = read(t, '[DEFAULT]\ntask = job.js\n[a]\n[b]\n', {
      env: { PH_TIMEOUT: 'soon' },
      overrides: new Map([['threads', '-1']]),
    });
    assert.deepEqual(
      problems.map(({ file, section, key }) => [file, section, key]),
      [
        ['command line', undefined, 'threads'],
        ['environment variable PH_TIMEOUT', undefined, 'timeout'],
      ],
    );
  });

  it('of a key that cannot be resolved has no second one about its value', t => {
    assert.deepEqual(summary(read(t, '[job]\ntask = %(nope)s\ndaemonize = yes\nlog_file = %\n').problems), [
      'INTERPOLATION_MISSING 2 [job] task',
      'INTERPOLATION_SYNTAX 4 [job] log_file',
    ]);
  });

  it('of the file itself is reported, not thrown', t => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'latin1.ini'), Buffer.from('[a]\nx = \xe9\n', 'latin1'));
    const problem = (name: string) =>
      readConfiguration({ file: join(directory, name), directory, env: {}, task: 'x.js' }).problems.map(
        ({ file, code, message }) => `${file === join(directory, name)} ${code} ${message}`,
      );
    assert.deepEqual(problem('none.ini'), ['true PH_ERR_CONFIG_FILE does not exist']);
    assert.deepEqual(problem('.'), [`true PH_ERR_CONFIG_FILE is a directory`]);
    assert.deepEqual(problem('latin1.ini'), ['true PH_ERR_CONFIG_FILE is not UTF-8 text']);
  });

  it('makes loadConfiguration throw one error that holds them all', t => {
    const directory = temporaryDirectory(t, { 'ph.ini': '[a]\ntask = none.js\ntimeout = soon\n' });
    assert.throws(
      () => loadConfiguration({ file: join(directory, 'ph.ini'), directory, env: {} }),
      error => error instanceof ConfigError && error.exitStatus === 2 && error.problems.length === 2,
    );
  });
});

describe('keys that belong together', () => {
  it('have to agree in all sections where they are the supervisor own', t => {
    const ini =
      '[DEFAULT]\ntask = job.js\nlog_file = l\npidfile = p\n[a]\n[b]\ndaemonize = yes\npidfile = q\n[c]\n';
    const { problems } = read(t, ini);
    assert.deepEqual(summary(problems), ['DISAGREE 7 [b] daemonize']);
    assert.match(problems[0]?.message ?? '', /\[b\] has yes, \[a\] has false/);
    assert.deepEqual(summary(read(t, ini, { sections: ['b'] }).problems), []);
    assert.deepEqual(summary(read(t, ini, { sections: ['b', 'c'] }).problems), ['DISAGREE 7 [b] daemonize']);
  });

  it('agree if they mean the same', t => {
    const ini = '[DEFAULT]\ntask = job.js\n[a]\nsingle_instance = no\n[b]\nsingle_instance = 0\n';
    assert.deepEqual(summary(read(t, ini).problems), []);
  });

  it('are daemonize and log_file', t => {
    assert.deepEqual(summary(read(t, `${JOB}daemonize = on\n`).problems), ['DAEMON_LOG 3 [job] daemonize']);
    assert.deepEqual(summary(read(t, `${JOB}daemonize = on\nlog_file = stderr\n`).problems), [
      'DAEMON_LOG 3 [job] daemonize',
    ]);
    assert.deepEqual(summary(read(t, `${JOB}daemonize = on\nlog_file = x.log\n`).problems), []);
  });

  it('are threads and min_threads', t => {
    const problems = (keys: string) => read(t, `${JOB}${keys}`).problems;
    assert.deepEqual(summary(problems('threads = 2\nmin_threads = 3\n')), [
      'MIN_THREADS 4 [job] min_threads',
    ]);
    assert.match(
      problems('threads = 2\nmin_threads = 3\n')[0]?.message ?? '',
      /^min_threads \(3\) exceeds threads \(2\)$/,
    );
    assert.deepEqual(summary(problems('threads = 0\nmin_threads = 1\n')), [
      'MIN_THREADS 4 [job] min_threads',
    ]);
    for (const fine of ['threads = 0', 'threads = 0\nmin_threads = 0', 'threads = 3\nmin_threads = 3']) {
      assert.deepEqual(summary(problems(`${fine}\n`)), [], fine);
    }
    assert.deepEqual(summary(problems('threads = x\nmin_threads = 3\n')), ['VALUE 3 [job] threads']);
  });

  it('is a token that is empty, whatever was to fill it, and what it is nobody is shown', t => {
    for (const value of ['', '%(ENV_TOKEN)s', '%(other)s\nother =']) {
      const { problems } = read(t, `${JOB}rpc_token = ${value}\n`, { env: { TOKEN: '' } });
      assert.deepEqual(summary(problems), ['RPC_TOKEN 3 [job] rpc_token'], value);
    }
    const { texts, configuration } = read(t, `${JOB}rpc_token = hush\n`);
    assert.equal(texts.get('job')?.get('rpc_token'), '(hidden)');
    assert.equal(configuration?.sections.get('job')?.rpcToken, 'hush');
  });

  it('are the restart delays', t => {
    assert.deepEqual(summary(read(t, `${JOB}restart_delay = 2m\n`).problems), [
      'RESTART_DELAY 3 [job] restart_delay',
    ]);
    assert.deepEqual(summary(read(t, `${JOB}restart_delay = 2\nrestart_delay_max = 1\n`).problems), [
      'RESTART_DELAY 4 [job] restart_delay_max',
    ]);
    assert.deepEqual(summary(read(t, `${JOB}restart_delay = 2m\nrestart_delay_max = 120s\n`).problems), []);
  });

  it('are addresses, of which each is bound once', t => {
    const binding = (...values: string[]) =>
      read(t, values.map((value, at) => `[s${at}]\ntask = job.js\nbind = ${value}\n`).join('')).problems;
    const twice = binding('h:1, unix:./a', 'h:2, unix:b/../a');
    assert.deepEqual(summary(twice), ['BIND 6 [s1] bind']);
    assert.match(twice[0]?.message ?? '', /^unix:\/.*\/a is bound by \[s0\] already$/);
    assert.match(binding('[::1]:1, [::1]:1')[0]?.message ?? '', /^has \[::1\]:1 twice$/);
    assert.deepEqual(summary(binding('h:0', 'h:0, h:1', 'fd://3')), [], 'port 0 is another one each time');
    assert.deepEqual(summary(binding('h:0, h:0')), ['BIND 3 [s0] bind']);
    assert.deepEqual(summary(binding('h:0', 'h:0, h:0')), ['BIND 6 [s1] bind']);
    const metrics = (address: string) =>
      read(t, `${JOB}bind = h:1, h:0\nmetrics_bind = ${address}\n`).problems;
    assert.deepEqual(summary(metrics('h:1')), ['BIND 4 [job] metrics_bind']);
    assert.equal(metrics('h:1')[0]?.message, 'h:1 is bound by [job] already');
    assert.deepEqual(summary([...metrics('h:0'), ...metrics('h:2')]), []);
    assert.match(metrics('unix:nowhere/a')[0]?.message ?? '', /^the directory .*\/nowhere does not exist$/);
  });

  it('are queue and queue_url', t => {
    assert.deepEqual(summary(read(t, `${JOB}queue = q\n`).problems), ['QUEUE_URL 3 [job] queue']);
    const queue = `${JOB}queue_url = redis://h\n`;
    assert.deepEqual(summary(read(t, `${queue}queue = q\n`).problems), []);
    assert.deepEqual(summary(read(t, `${queue}queue = a:b\n`).problems), ['VALUE 4 [job] queue']);
    assert.deepEqual(summary(read(t, `${queue}queue = q\nthreads = 0\n`).problems), [
      'QUEUE_THREADS 4 [job] queue',
    ]);
  });
});

describe('any text', () => {
  const fragment = fc.oneof(
    fc.constantFrom(
      '[',
      ']',
      '=',
      '"',
      '#',
      '%(',
      ')s',
      '%%',
      '\n',
      ' ',
      '\0',
      '/',
      '[DEFAULT]\n',
      '[a]\n',
      'task = job.js\n',
    ),
    fc.constantFrom(
      'bind',
      'nice',
      'environment',
      'umask',
      'queue_url',
      'pidfile',
      'log_file',
      'threads',
      'auto',
      ' = ',
    ),
  );
  it('gives a configuration or problems, never an exception', t => {
    const directory = temporaryDirectory(t, { 'job.js': '' });
    const file = join(directory, 'ph.ini');
    const property = (text: string, key: string, value: string) => {
      writeFileSync(file, text);
      const result = readConfiguration({
        file,
        directory,
        env: { PH_TIMEOUT: value },
        overrides: new Map([[key, value]]),
      });
      assert.equal(result.configuration === undefined, result.problems.length > 0);
    };
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fragment, { maxLength: 40 }).map(parts => parts.join('')),
    );
    fc.assert(
      fc.property(texts, fc.oneof(fragment, fc.string()), fc.oneof(fragment, fc.string()), property),
      { numRuns: 500 },
    );
  });
});
