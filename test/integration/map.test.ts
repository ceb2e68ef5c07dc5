import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type CommandOptions, runCommand, startCommand } from '../helpers/command.ts';
import { until } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';
import { missing, startTerminal } from '../helpers/terminal.ts';

const tasks = `
  import { setTimeout as delay } from 'node:timers/promises';
  export default value => value;
  export const say = value => { console.log('said', value); return value; };
  export const results = kind => ({ bigint: 1n, nothing: undefined, buffer: Buffer.from('x') })[kind];
  export const fail = n => { if (n % 2) throw Object.assign(new RangeError('odd: ' + n), { code: 'EODD' }); return n; };
  export const poison = n => { if (n === 7) process.kill(process.pid, 'SIGSEGV'); return n; };
  export const late = async n => { await delay(n === 0 ? 100 : 0); return n; };
  export const length = text => text.length;
  export const hang = () => { console.log('begun'); return new Promise(() => setInterval(() => {}, 1000)); };
  export const nap = async n => { await delay(100); return n; };
`;

/** One process of one thread, since most tests are about something else. */
const small = ['-p', '1', '-t', '1'];

interface MapRecord {
  readonly input: unknown;
  readonly result?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string };
}

function recordsOf(stdout: string): MapRecord[] {
  assert.ok(stdout === '' || stdout.endsWith('\n'), 'the last line is whole');
  return stdout
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line));
}

function setUp(t: TestContext) {
  const project = createProject(t, { 'tasks.mjs': tasks });
  const map = async (
    task: string,
    input: string | Buffer,
    args: readonly string[] = [],
    options?: CommandOptions,
  ) => {
    const all = ['map', `tasks.mjs${task}`, ...small, ...args];
    const exit = await runCommand(t, project, all, { input, ...options });
    return { ...exit, records: recordsOf(exit.stdout) };
  };
  return { project, map };
}

/** 0 to `count - 1`, a line each. */
function numbers(count: number): string {
  return Array.from({ length: count }, (_, n) => `${n}\n`).join('');
}

test('each line of JSON goes to the task, its result to stdout; what tasks print and the summary go to stderr', async t => {
  const { map } = setUp(t);
  const { code, stderr, records } = await map('#say', numbers(20));
  assert.equal(code, 0);
  assert.deepEqual(
    records.map(({ result }) => result).sort((a, b) => Number(a) - Number(b)),
    Array.from({ length: 20 }, (_, n) => n),
  );
  for (const { input, result } of records) assert.equal(input, result);
  assert.equal(stderr.match(/^said \d+$/gm)?.length, 20);
  assert.match(stderr, /^ph map: 20 inputs done in [\d.]+ m?s \([\d,]+\/s\)$/m);
  assert.ok(!stderr.includes('\x1b'), 'no progress line, since stderr is no terminal');
});

test('lines in every form: a line that is no input is an error with its number, and the others go on', async t => {
  const { project } = setUp(t);
  const ü = Buffer.from('"ü"\r\n');
  const long = Buffer.from(`"${'x'.repeat(17 * 1024 * 1024)}"\n`);
  const { child, exit } = startCommand(t, project, ['map', 'tasks.mjs', ...small, '--ordered']);
  const write = (chunk: Buffer | string) => new Promise(resolve => child.stdin?.write(chunk, resolve));
  await write(Buffer.concat([Buffer.from('\ufeff{"a" : 1}\n\n  \r\n'), ü.subarray(0, 2)]));
  // A character in two chunks.
  await write(Buffer.concat([ü.subarray(2), Buffer.from('no json\n"\xff"\n', 'latin1'), long]));
  child.stdin?.end('12345678901234567890\n{"a":\r1}\nnull');
  const { code, stdout } = await exit;
  assert.equal(code, 1);
  const [object, text, broken, binary, overlong, number, lines, last] = stdout.trim().split('\n');
  assert.equal(object, '{"input":{"a" : 1},"result":{"a":1}}');
  assert.equal(text, '{"input":"ü","result":"ü"}');
  assert.deepEqual(JSON.parse(broken as string).error, {
    name: 'InputError',
    message: `line 5 is not JSON: Unexpected token 'o', "no json" is not valid JSON`,
    code: 'PH_ERR_INPUT',
  });
  assert.equal(JSON.parse(broken as string).input, 'no json');
  assert.equal(JSON.parse(binary as string).error.message, 'line 6 is not UTF-8 text');
  assert.match(JSON.parse(overlong as string).error.message, /^line 7 is longer than 16 MiB/);
  assert.match(number as string, /^\{"input":12345678901234567890,/);
  assert.equal(lines, '{"input":{"a":1},"result":{"a":1}}');
  assert.equal(last, '{"input":null,"result":null}');
});

test('--lines makes a text of each line', async t => {
  const { map } = setUp(t);
  const { code, records } = await map('#length', 'a b\r\n\n  \n"é"', ['--lines', '--ordered']);
  assert.equal(code, 0);
  assert.deepEqual(records, [
    { input: 'a b', result: 3 },
    { input: '  ', result: 2 },
    { input: '"é"', result: 3 },
  ]);
});

test('--glob makes an input of each path, in the order of names, and reads no stdin', async t => {
  const { project, map } = setUp(t);
  for (const name of ['in/b.txt', 'in/a.txt', 'in/deep/c.txt', 'in/.hidden.txt', 'in/d.md'])
    project.write(name, '');
  mkdirSync(project.path('in/directory.txt'));
  const { code, records } = await map('', 'never read', [
    '--glob',
    'in/**/*.txt',
    '--glob',
    'in/d.*',
    '--ordered',
  ]);
  assert.equal(code, 0);
  const paths = ['in/a.txt', 'in/b.txt', 'in/d.md', 'in/deep/c.txt'];
  const absolute = await map('', '', ['--glob', project.path('in/a.*')]);
  assert.equal(absolute.records[0]?.input, project.path('in/a.txt'));
  assert.deepEqual(
    records,
    paths.map(path => ({ input: path, result: path })),
  );
});

test('results that JSON does not have fail their input alone, errors have name, message and code: exit code 1', async t => {
  const { map } = setUp(t);
  const { code, records, stderr } = await map('#results', '"nothing"\n"bigint"\n"buffer"\n', ['--ordered']);
  assert.equal(code, 1);
  assert.deepEqual(records[0], { input: 'nothing', result: null });
  assert.match(records[1]?.error?.message ?? '', /^the result cannot be written as JSON: .*BigInt/);
  assert.match(records[2]?.error?.message ?? '', /^the result cannot be written as JSON: it is a /);
  assert.match(stderr, /3 inputs done .*, 2 failed$/m);
  const odd = await map('#fail', '1\n');
  const error = { name: 'RangeError', message: 'odd: 1', code: 'EODD' };
  assert.deepEqual(odd.records, [{ input: 1, error }]);
});

test('--ordered writes in the order of the inputs; otherwise a slow one holds up no other', async t => {
  const { map } = setUp(t);
  const both = ['-t', '2'];
  const { records } = await map('#late', numbers(10), both);
  assert.equal(records.at(-1)?.input, 0);
  const ordered = await map('#late', numbers(10), [...both, '--ordered']);
  assert.deepEqual(
    ordered.records.map(({ input }) => input),
    Array.from({ length: 10 }, (_, n) => n),
  );
});

test('S40 an input that crashes its process costs no other; without retries it costs those beside it', async t => {
  const { map } = setUp(t);
  const args = ['-p', '2'];
  const { code, records, stderr } = await map('#poison', numbers(300), args);
  assert.equal(code, 1);
  assert.equal(records.length, 300);
  const failed = records.filter(({ error }) => error);
  assert.deepEqual(
    failed.map(({ input, error }) => [input, error?.code]),
    [[7, 'PH_ERR_WORKER_CRASH']],
  );
  assert.match(failed[0]?.error?.message ?? '', /killed by SIGSEGV/);
  assert.match(stderr, /, 1 failed$/m);
  const once = await map('#poison', numbers(300), [...args, '--retries', '0']);
  assert.equal(once.records.length, 300);
  assert.ok(once.records.find(({ input }) => input === 7)?.error);
});

test('--timeout fails an input whose task takes longer; --fail-fast ends with the first that fails', async t => {
  const { map } = setUp(t);
  const slow = await map('#hang', '1\n', ['--timeout', '50ms']);
  assert.equal(slow.code, 1);
  assert.equal(slow.records[0]?.error?.code, 'PH_ERR_TASK_TIMEOUT');
  const { code, records, stderr } = await map('#fail', numbers(100_000), ['--fail-fast', '--ordered']);
  assert.equal(code, 1);
  assert.deepEqual(
    records.slice(0, 2).map(({ input, error }) => [input, error?.code]),
    [
      [0, undefined],
      [1, 'EODD'],
    ],
  );
  assert.ok(records.length < 10_000);
  assert.match(stderr, /read and not done$/m);
});

for (const [what, args, message] of [
  ['a module that is not there', ['nix.mjs'], /the task module .*nix\.mjs is no file/],
  ['a task without a name', ['tasks.mjs#'], /names no task/],
  [
    'a task that is not there',
    ['tasks.mjs#nix'],
    /no task is named "nix"; there are: .*poison.*; name one: /,
  ],
  ['a pattern without a match', ['tasks.mjs', '--glob', '*.nix'], /^ph: no file matches \*\.nix$/m],
  ['--lines with --glob', ['tasks.mjs', '--glob', '*', '--lines'], /--lines is for lines on stdin/],
  [
    'an output that is there',
    ['tasks.mjs', '-o', 'tasks.mjs'],
    /is there already and will not be overwritten/,
  ],
  [
    'one file for output and checkpoint',
    ['tasks.mjs', '-o', 'a', '--checkpoint', './a'],
    /cannot be both the output and the checkpoint/,
  ],
  ['a checkpoint without a name', ['tasks.mjs', '--checkpoint', ''], /^ph: --checkpoint names no file$/m],
  ['an output that is a directory', ['tasks.mjs', '-o', '.'], /is a directory/],
  [
    'no number of processes',
    ['tasks.mjs', '-p', '0'],
    /Expected an integer from 1 to 1024, or auto, not "0"\./,
  ],
] as const) {
  test(`${what} is a usage error that says so, with nothing on stdout`, async t => {
    const { project } = setUp(t);
    const { code, stdout, stderr } = await runCommand(t, project, ['map', ...args], { input: '1\n' });
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.equal(readFileSync(project.path('tasks.mjs'), 'utf8'), tasks);
  });
}

test('a module that does not load ends it with its error and exit code 5, before anything is written', async t => {
  const { project } = setUp(t);
  project.write('broken.mjs', 'throw new Error("broken on purpose");');
  const args = ['map', 'broken.mjs', ...small, '-o', 'out.ndjson'];
  const { code, stderr } = await runCommand(t, project, args, { input: '1\n' });
  assert.equal(code, 5);
  assert.match(stderr, /broken on purpose/);
  assert.throws(() => readFileSync(project.path('out.ndjson')), { code: 'ENOENT' });
});

test('SIGINT: no more input is taken, what runs is finished and written, exit code 130; a second one ends it at once', async t => {
  const { project } = setUp(t);
  const first = startCommand(t, project, ['map', 'tasks.mjs#nap', ...small]);
  first.child.stdin?.write(numbers(50));
  let begun = '';
  first.child.stdout?.on('data', chunk => {
    begun += chunk;
  });
  await until('some are done', () => begun.split('\n').length > 2);
  first.child.kill('SIGINT');
  // Its stdin is still open.
  const { code, stdout, stderr } = await first.exit;
  assert.equal(code, 130);
  const records = recordsOf(stdout);
  assert.ok(records.length > 2 && records.length < 50);
  assert.match(stderr, /SIGINT: what runs has 10 s to finish; again to stop at once/);
  assert.match(stderr, new RegExp(`ph map: ${records.length} inputs done .*, \\d+ read and not done$`, 'm'));

  const second = startCommand(t, project, ['map', 'tasks.mjs#hang', ...small]);
  second.child.stdin?.write('1\n');
  let said = '';
  second.child.stderr?.on('data', chunk => {
    said += chunk;
  });
  for (const what of [/^begun$/m, /again to stop at once/]) {
    await until(`it says ${what}`, () => what.test(said));
    second.child.kill('SIGINT');
  }
  assert.equal((await second.exit).code, 130);
});

test('a reader that leaves ends it quietly, with exit code 1', async t => {
  const { project } = setUp(t);
  const { child, exit } = startCommand(t, project, ['map', 'tasks.mjs', ...small], {
    input: numbers(200_000),
  });
  child.stdout?.once('data', () => child.stdout?.destroy());
  const { code, stderr } = await exit;
  assert.equal(code, 1);
  assert.equal(stderr, '');
});

test('a slow reader slows the reading down: input larger than memory is never held', async t => {
  const { project } = setUp(t);
  const { child, exit } = startCommand(t, project, ['map', 'tasks.mjs', ...small]);
  child.stdout?.pause();
  const line = `"${'x'.repeat(1000)}"\n`;
  const lines = 8000;
  let accepted = 0;
  let waits = false;
  const feed = () => {
    waits = false;
    while (accepted < lines && !waits) {
      accepted++;
      waits = child.stdin?.write(line) === false;
    }
    if (accepted === lines) child.stdin?.end();
  };
  child.stdin?.on('drain', feed);
  feed();
  let last = -1;
  let since = performance.now();
  await until('it takes no more', () => {
    if (accepted !== last) since = performance.now();
    last = accepted;
    return performance.now() - since > 500;
  });
  assert.ok(accepted < lines / 2, `${accepted} of ${lines} lines were taken`);
  child.stdout?.resume();
  const { code, stdout } = await exit;
  assert.equal(code, 0);
  assert.equal(stdout.split('\n').length - 1, lines);
});

test('on a terminal a progress line shows what is done, the rate and the time left, and goes', {
  skip: missing('tmux'),
}, async t => {
  const { project } = setUp(t);
  project.write('numbers', numbers(100));
  const ph = `'${process.execPath}' '${new URL('../../dist/cli/main.js', import.meta.url).pathname}'`;
  const command = `${ph} map tasks.mjs#nap -p 1 -t 8 > out.ndjson < numbers`;
  const terminal = startTerminal(t, project, command);
  const during = await terminal.shows(/done.*\/s.*left/);
  assert.match(during, /^\[#*-*\] +\d+ % {2}\d+ done {2}[\d.]+\/s {2}[\d.]+ m?s left$/m);
  const after = await terminal.shows(/100 inputs done/);
  assert.doesNotMatch(after, /left/);
  assert.match(after, /^ph map: 100 inputs done in [\d.]+ s \([\d.]+\/s\)$/m);
  const nothing = startTerminal(t, project, `${ph} map tasks.mjs`);
  await nothing.shows(/^ph: nothing to read, since stdin is a terminal: ph map FILE < inputs\.ndjson/m);
});
