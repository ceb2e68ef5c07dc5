import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyExit, type ExitFacts } from '../../src/group/exit-reason.ts';

const served: ExitFacts = {
  code: 0,
  signal: null,
  ready: true,
  ending: undefined,
  bootError: undefined,
  spawnError: undefined,
  lastWords: '',
};

interface Case {
  readonly of: string;
  readonly facts: Partial<ExitFacts>;
  readonly kind: string;
  readonly text: RegExp;
  /** Whether nobody had asked for it. */
  readonly unexpected: boolean;
  readonly failure: boolean;
}

const byItself = { unexpected: true, failure: true };
const asked = { unexpected: false, failure: false };
const heapWords = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n';

const cases: readonly Case[] = [
  {
    of: 'exit 0',
    facts: {},
    kind: 'clean',
    text: /^exited with code 0$/,
    unexpected: true,
    failure: false,
  },
  {
    of: 'exit 1',
    facts: { code: 1 },
    kind: 'crash',
    text: /^exited with code 1$/,
    ...byItself,
  },
  {
    of: 'exit 0 before it was ready',
    facts: { ready: false },
    kind: 'boot-failure',
    text: /^exited with code 0 before it was ready$/,
    ...byItself,
  },
  {
    of: 'an error at boot',
    facts: { code: 1, ready: false, bootError: { message: 'TypeError: no', details: 'at x' } },
    kind: 'boot-failure',
    text: /^could not boot: TypeError: no$/,
    ...byItself,
  },
  {
    of: 'a process that could not be started',
    facts: { code: null, ready: false, spawnError: new Error('spawn EAGAIN') },
    kind: 'boot-failure',
    text: /^could not be started: spawn EAGAIN$/,
    ...byItself,
  },
  {
    of: 'a signal',
    facts: { code: null, signal: 'SIGSEGV' },
    kind: 'signal',
    text: /^killed by SIGSEGV$/,
    ...byItself,
  },
  {
    of: 'a signal at boot',
    facts: { code: null, signal: 'SIGSEGV', ready: false },
    kind: 'signal',
    text: /^killed by SIGSEGV before it was ready$/,
    ...byItself,
  },
  {
    of: 'KILL by somebody else',
    facts: { code: null, signal: 'SIGKILL' },
    kind: 'killed',
    text: /^killed by SIGKILL, not by ph: .*kernel, out of memory$/,
    ...byItself,
  },
  {
    of: 'the end of the JavaScript heap',
    facts: { code: null, signal: 'SIGABRT', lastWords: heapWords },
    kind: 'out-of-memory',
    text: /^ran out of JavaScript heap memory$/,
    ...byItself,
  },
  {
    of: 'ABRT for any other reason',
    facts: { code: null, signal: 'SIGABRT' },
    kind: 'signal',
    text: /^killed by SIGABRT$/,
    ...byItself,
  },
  {
    of: 'boot_timeout',
    facts: { code: null, signal: 'SIGKILL', ready: false, ending: { cause: 'boot-timeout', limit: 1500 } },
    kind: 'boot-timeout',
    text: /^killed: not ready within 1\.5 s \(boot_timeout\)$/,
    ...byItself,
  },
  {
    of: 'timeout',
    facts: { code: null, signal: 'SIGABRT', ending: { cause: 'silent', limit: 30_000 } },
    kind: 'timeout',
    text: /^killed: its main thread was silent for 30 s \(timeout\)$/,
    ...byItself,
  },
  {
    of: 'a drain',
    facts: { ending: { cause: 'drain' } },
    kind: 'drained',
    text: /^drained$/,
    ...asked,
  },
  {
    of: 'a crash in a drain',
    facts: { code: 1, ending: { cause: 'drain' } },
    kind: 'drained',
    text: /^exited with code 1 while draining$/,
    unexpected: false,
    failure: true,
  },
  {
    of: 'graceful_timeout',
    facts: { code: null, signal: 'SIGKILL', ending: { cause: 'cut', graceful: 500 } },
    kind: 'cut',
    text: /^killed: still busy 0\.5 s after it was asked to stop \(graceful_timeout\)$/,
    unexpected: false,
    failure: true,
  },
  {
    of: 'a quick end',
    facts: { code: null, signal: 'SIGKILL', ending: { cause: 'quit' } },
    kind: 'quit',
    text: /^ended at once$/,
    ...asked,
  },
];

for (const { of, facts, kind, text, unexpected, failure } of cases) {
  test(`S14 ${of} is told as ${kind}`, () => {
    const reason = classifyExit({ ...served, ...facts });
    assert.equal(reason.kind, kind);
    assert.match(reason.text, text);
    assert.equal(reason.unexpected, unexpected, 'unexpected');
    assert.equal(reason.failure, failure, 'failure');
  });
}
