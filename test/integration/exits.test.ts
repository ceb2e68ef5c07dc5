import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogRecord, runPh, startPh } from '../helpers/ph.ts';
import { createProject } from '../helpers/project.ts';

const levels = { info: 30, error: 50, fatal: 60 };

/** Each section of the configuration ends in its own way. */
const endings = `
import { SyncWorker } from 'processhandler';

const ways = {
  'exit-0': () => process.exit(0),
  'exit-1': () => process.exit(1),
  'segv': () => process.kill(process.pid, 'SIGSEGV'),
  'kill': () => process.kill(process.pid, 'SIGKILL'),
  'heap': () => { const all = []; for (;;) all.push(new Array(1000).fill(0.5)); },
  'throw': () => { throw Object.assign(new RangeError('this round is bad'), { code: 'E_ROUND' }); },
  'reject': () => { Promise.reject(new TypeError('nobody waits for this')); return new Promise(() => {}); },
  'returns': () => {},
};

export default class Endings extends SyncWorker {
  setup() {
    if (this.config.name === 'boot') throw new TypeError('no database');
    if (this.config.name === 'boot-exit') process.exit(7);
  }
  run() {
    return this.config.name === 'returns' ? undefined : super.run();
  }
  async handleRequest() {
    await this.sleep(1);
    await ways[this.config.name]();
  }
}
`;

interface Ending {
  readonly exit: string;
  readonly level: number;
  readonly says: RegExp;
}

const expected: Readonly<Record<string, Ending>> = {
  'exit-0': { exit: 'clean', level: levels.info, says: /exited with code 0;/ },
  returns: { exit: 'clean', level: levels.info, says: /exited with code 0;/ },
  'exit-1': { exit: 'crash', level: levels.error, says: /exited with code 1;/ },
  segv: { exit: 'signal', level: levels.error, says: /killed by SIGSEGV;/ },
  kill: {
    exit: 'killed',
    level: levels.error,
    says: /killed by SIGKILL, not by ph: .*out of memory;/,
  },
  heap: { exit: 'out-of-memory', level: levels.error, says: /ran out of JavaScript heap memory;/ },
  throw: { exit: 'crash', level: levels.error, says: /exited with code 1;/ },
  reject: { exit: 'crash', level: levels.error, says: /exited with code 1;/ },
  boot: { exit: 'boot-failure', level: levels.error, says: /could not boot: TypeError: no database;/ },
  'boot-exit': { exit: 'boot-failure', level: levels.error, says: /exited with code 7 before it was ready;/ },
};

const ini = `
[DEFAULT]
task = endings.mjs
threads = 0
restart = never
${Object.keys(expected)
  .map(name => `[${name}]\n${name === 'heap' ? 'environment = NODE_OPTIONS=--max-old-space-size=24\n' : ''}`)
  .join('')}`;

test('S14 S16 exits are told apart in the log; ph ends when no section has a worker left', async t => {
  const project = createProject(t, { 'endings.mjs': endings, 'ph.ini': ini });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const { code } = await ph.exit;
  assert.equal(code, 1, 'workers failed, and nobody had asked them to end');
  for (const [section, { exit, level, says }] of Object.entries(expected)) {
    const ends = ph.records.filter(record => record.section === section && record.exit !== undefined);
    assert.equal(ends.length, 1, `${section}: ${JSON.stringify(ends)}`);
    const [end] = ends as [LogRecord];
    assert.deepEqual({ section, exit: end.exit, level: end.level }, { section, exit, level });
    assert.match(end.msg, says);
    assert.match(end.msg, /; not restarted \(restart = never\)$/);
  }

  const { err: thrown } = await ph.log(isFatalOf('throw'));
  const { type, message, code: ownCode, stack } = thrown as Readonly<Record<string, string>>;
  assert.deepEqual([type, message, ownCode], ['RangeError', 'this round is bad', 'E_ROUND']);
  assert.match(stack ?? '', /endings\.mjs:\d+/);
  const { err: rejected } = await ph.log(isFatalOf('reject'));
  assert.equal((rejected as Readonly<Record<string, string>>).message, 'nobody waits for this');
  const boot = ph.records.find(({ section, details }) => section === 'boot' && details !== undefined);
  assert.match(String(boot?.details), /^TypeError: no database\n\s+at Endings\.setup \(.*endings\.mjs:\d+/);
});

function isFatalOf(name: string) {
  return ({ section, level }: LogRecord) => section === name && level === levels.fatal;
}

test('an error in handleRequest is logged, ends that process, and another one takes its place', async t => {
  const project = createProject(t, {
    'odd.mjs': `
import { SyncWorker } from 'processhandler';
export default class Odd extends SyncWorker {
  async handleRequest() {
    await this.sleep(50);
    if (this.index === 2) throw new Error('only the second one');
  }
}`,
  });
  const ph = startPh(t, ['run', 'odd.mjs', '-w', '2', '-t', '0'], { cwd: project.directory });
  const first = (await ph.ready()).get(1);
  const before = ph.records.length;
  const [failure] = await ph.logs(({ level }) => level === levels.fatal, 1);
  assert.equal(failure?.index, 2);
  assert.equal((await ph.log(({ exit }) => exit !== undefined)).exit, 'crash');
  assert.equal((await ph.nextReady(before)).index, 2);
  assert.ok(ph.workers.includes(first as number));
});

const bootErrors = {
  'import.mjs': `const settings = undefined;\nexport const port = settings.port;\nexport const task = () => 1;`,
  'constructor.mjs': `import { Worker } from 'processhandler';
export default class Job extends Worker {
  constructor(context) { super(context); this.connect(); }
  connect() { throw new RangeError('first\\nsecond', { cause: new Error('root') }); }
}`,
  'setup.mjs': `import { Worker } from 'processhandler';
export default class Job extends Worker { async setup() { throw new RangeError('in setup'); } }`,
  'init.mjs': `import { Worker } from 'processhandler';
export default class Job extends Worker { async initProcess() { await null; throw new RangeError('in initProcess'); } }`,
  'late.mjs': `import { Worker } from 'processhandler';
export default class Job extends Worker {
  initProcess() { setTimeout(() => { throw new RangeError('in a timer'); }, 10); return new Promise(() => {}); }
}`,
  'string.mjs': `throw 'just a text';`,
};

const shown: Readonly<Record<keyof typeof bootErrors, RegExp>> = {
  'import.mjs': /\[import\] TypeError: Cannot read .*\n\s+at .*import\.mjs:2/,
  'constructor.mjs':
    /\[constructor\] RangeError: first\nsecond\n\s+at Job\.connect .*constructor\.mjs:4[\s\S]*\[cause\]: Error: root/,
  'setup.mjs': /\[setup\] RangeError: in setup\n\s+at Job\.setup .*setup\.mjs:2/,
  'init.mjs': /\[init\] RangeError: in initProcess\n\s+at Job\.initProcess .*init\.mjs:2/,
  'late.mjs': /\[late\] RangeError: in a timer\n\s+at .*late\.mjs:3/,
  'string.mjs': /\[string\] 'just a text' was thrown: throw an Error to see where/,
};

for (const [file, pattern] of Object.entries(shown)) {
  test(`a worker that fails at boot (${file}) ends ph with 5 and the user's error, without frames of ours`, async t => {
    const project = createProject(t, bootErrors);
    const { code, stderr } = await runPh(t, ['run', file, '-t', '0'], { cwd: project.directory });
    assert.equal(code, 5, stderr);
    const text = stderr.slice(stderr.indexOf('ph: no worker could boot'));
    assert.match(text, pattern);
    assert.doesNotMatch(text, /dist\/|node:internal|node_modules/);
  });
}
