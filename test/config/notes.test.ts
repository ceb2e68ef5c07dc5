import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { read, summary } from './helpers.ts';

const app = '[app]\ntask = job.js\n';

describe('a risk is a note with its place and its reason', () => {
  for (const [keys, place, message] of [
    [
      'graceful_timeout = 10\ntask_timeout = 1m',
      'PH_NOTE_GRACEFUL_TIMEOUT 3 [app] graceful_timeout',
      /\(10\) is shorter than task_timeout \(1m\)/,
    ],
    [
      'task_timeout = 31',
      'PH_NOTE_GRACEFUL_TIMEOUT 3 [app] task_timeout',
      /graceful_timeout \(30\) is shorter than/,
    ],
    [
      'graceful_timeout = 0',
      'PH_NOTE_GRACEFUL_TIMEOUT 3 [app] graceful_timeout',
      /^is 0: what runs is killed/,
    ],
    ['timeout = 0', 'PH_NOTE_TIMEOUT_OFF 3 [app] timeout', /main thread hangs/],
    ['restart = never\nnumber_workers = 2', 'PH_NOTE_NOT_RESTARTED 3 [app] restart', /until none is left/],
    ['restart = never\nbind = 127.0.0.1:80', 'PH_NOTE_NOT_RESTARTED 3 [app] restart', /until none is left/],
    [
      'threads = 2\nmax_memory = 70M',
      'PH_NOTE_MAX_MEMORY 4 [app] max_memory',
      /\(70M\) is less .* 2 threads .* at least 74M/,
    ],
    [
      'threads = 8\nmin_threads = 0\nmax_memory = 55M',
      'PH_NOTE_MAX_MEMORY 5 [app] max_memory',
      /0 threads .* at least 56M/,
    ],
    [
      'bind = unix:s,0.0.0.0:80\nrpc_public = true',
      'PH_NOTE_RPC_PUBLIC 4 [app] rpc_public',
      /reach 0\.0\.0\.0:80 can call/,
    ],
    [
      'bind = [::]:80\nrpc_public = true',
      'PH_NOTE_RPC_PUBLIC 4 [app] rpc_public',
      /reach \[::\]:80 can call/,
    ],
    ['bind = localhost:80\nrpc_max_body = 0', 'PH_NOTE_RPC_MAX_BODY 4 [app] rpc_max_body', /all memory/],
    [
      'bind = localhost:80\nrpc_request_timeout = 0',
      'PH_NOTE_RPC_REQUEST_TIMEOUT 4 [app] rpc_request_timeout',
      /for ever/,
    ],
    [
      'metrics_bind = 0.0.0.0:9464',
      'PH_NOTE_METRICS_PUBLIC 3 [app] metrics_bind',
      /reach 0\.0\.0\.0:9464 can read/,
    ],
    ['log_file = a.log\nlog_max_size = 0', 'PH_NOTE_LOG_MAX_SIZE 4 [app] log_max_size', /disk is full/],
    ['log_file = a.log\ndaemonize = yes', 'PH_NOTE_NO_PIDFILE 4 [app] daemonize', /second daemon/],
  ] as const) {
    it(keys.replaceAll('\n', ', '), t => {
      const { notes, problems } = read(t, `${app}${keys}\n`);
      assert.deepEqual(problems, []);
      assert.deepEqual(summary(notes), [place]);
      assert.match(notes[0]?.message ?? '', message);
    });
  }

  it('is none where the other key takes it away', t => {
    for (const keys of [
      '',
      'graceful_timeout = 60\ntask_timeout = 1m',
      'restart = never',
      'restart = on-failure\nbind = 127.0.0.1:80',
      'threads = 2\nmax_memory = 74M',
      'bind = 127.0.0.1:80, [::1]:80, localhost:81, unix:s\nrpc_public = true',
      'bind = 0.0.0.0:80\nrpc_token = x',
      'log_file = a.log\nlog_max_size = 1M\nlog_keep = 0',
      'log_file = a.log\ndaemonize = yes\npidfile = a.pid\nsingle_instance = no',
      'threads = 4\nmin_threads = 2\nidle_timeout = 1m\ntask_timeout = 1',
    ]) {
      assert.deepEqual({ keys, notes: read(t, `${app}${keys}\n`).notes }, { keys, notes: [] });
    }
  });

  it('is said of [DEFAULT] once, and not at all beside a problem', t => {
    const ini = '[DEFAULT]\ntask = job.js\ntimeout = 0\n[a]\n[b]\n';
    assert.deepEqual(summary(read(t, ini).notes), ['PH_NOTE_TIMEOUT_OFF 3 [DEFAULT] timeout']);
    assert.deepEqual(read(t, `${ini}threads = many\n`).notes, []);
  });
});

describe('a key that changes nothing is a note', () => {
  for (const [key, keys, reason] of [
    ['task_timeout', 'threads = 0\ntask_timeout = 1', 'threads is 0'],
    ['max_queue', 'threads = 0\nmax_queue = 1', 'threads is 0'],
    ['idle_timeout', 'threads = 2\nidle_timeout = 1', 'min_threads is not below threads'],
    ['max_requests_jitter', 'threads = 1\nmax_requests_jitter = 1', 'there is no max_requests'],
    ['max_restarts', 'restart = never\nmax_restarts = 3', 'restart is never'],
    ['backlog', 'threads = 1\nbacklog = 3', 'there is no bind'],
    ['rpc_public', 'rpc_token = x\nrpc_public = yes\nbind = 0.0.0.0:80', 'rpc_token is asked for'],
    ['hook_timeout', 'threads = 1\nhook_timeout = 3', 'there is no hook'],
    ['log_keep', 'threads = 1\nlog_keep = 3', 'the log goes to stderr'],
    ['single_instance', 'threads = 1\nsingle_instance = yes', 'there is no pidfile'],
  ] as const) {
    it(keys.replaceAll('\n', ', '), t => {
      const { notes } = read(t, `${app}${keys}\n`);
      assert.deepEqual(summary(notes), [`PH_NOTE_NO_EFFECT 4 [app] ${key}`]);
      assert.ok(notes[0]?.message.startsWith(`has no effect here: ${reason}`), notes[0]?.message);
    });
  }

  it('of [DEFAULT] is one where no section makes anything of it', t => {
    const inherited = '[DEFAULT]\ntask = job.js\nbacklog = 5\n[a]\n[b]\n';
    assert.deepEqual(summary(read(t, inherited).notes), ['PH_NOTE_NO_EFFECT 3 [DEFAULT] backlog']);
    assert.deepEqual(read(t, `${inherited}bind = 127.0.0.1:80\n`).notes, []);
    const own = `${inherited}bind = 127.0.0.1:80\n[c]\nbacklog = 7\n`;
    assert.deepEqual(summary(read(t, own).notes), ['PH_NOTE_NO_EFFECT 8 [c] backlog']);
  });

  it('from the environment or the command line is one, too', t => {
    const options = { env: { PH_BACKLOG: '5' }, overrides: new Map([['log_keep', '1']]) };
    const { notes } = read(t, app, options);
    assert.deepEqual(
      notes.map(({ file, key, code }) => [file, key, code]),
      [
        ['environment variable PH_BACKLOG', 'backlog', 'PH_NOTE_NO_EFFECT'],
        ['command line', 'log_keep', 'PH_NOTE_NO_EFFECT'],
      ],
    );
  });
});
