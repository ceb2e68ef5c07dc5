import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type CommandOptions, startCommand } from '../helpers/command.ts';
import { until } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

/** Notes which run has called it with what. */
const tasks = `
  import { appendFileSync, existsSync, readFileSync } from 'node:fs';
  import { setTimeout as delay } from 'node:timers/promises';
  export default n => { appendFileSync('called', process.env.RUN + ' ' + n + '\\n'); return n; };
  export const other = n => n;
  export const noted = () => JSON.parse(readFileSync('cp', 'utf8')).outputLength;
  export const first = async n => { while (n === 0 && !existsSync('gate')) await delay(5); return n; };
  export const long = n => 'x'.repeat(1000) + n;
  export const odd = n => { if (n % 2) throw new Error('odd'); return n; };
`;

interface Checkpoint {
  readonly done: readonly (readonly [start: number, end: number, checksum: number])[];
  readonly outputLength: number;
}

function setUp(t: TestContext, count: number) {
  const project = createProject(t, { 'tasks.mjs': tasks, called: '' });
  const input = Array.from({ length: count }, (_, n) => `${n}\n`).join('');
  const map = (task: string, args: readonly string[], options: CommandOptions = {}) =>
    startCommand(t, project, ['map', `tasks.mjs${task}`, '-p', '1', '-t', '2', ...args], {
      input,
      ...options,
    });
  const checkpoint = (): Checkpoint => JSON.parse(readFileSync(project.path('cp'), 'utf8'));
  return {
    project,
    input,
    map,
    checkpoint,
    /** How many inputs the checkpoint says are done. */
    done: () =>
      existsSync(project.path('cp'))
        ? checkpoint().done.reduce((sum, [start, end]) => sum + end - start, 0)
        : 0,
    inputs: (name: string) =>
      readFileSync(project.path(name), 'utf8')
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line).input as number),
  };
}

const toFile = ['-o', 'out', '--checkpoint', 'cp'];

test('killed with KILL again and again and continued: each input exactly once in the output, none that was noted is run again', async t => {
  const count = 4000;
  const { project, map, checkpoint, done, inputs } = setUp(t, count);
  for (let run = 1; run <= 4; run++) {
    const before = done();
    const { child, exit } = map('', toFile, { env: { RUN: String(run) } });
    if (run < 4) {
      await until('some more is done', () => done() >= before + 400);
      child.kill('SIGKILL');
      assert.equal((await exit).signal, 'SIGKILL');
      assert.ok(done() < count, 'it was killed before it was done');
      // What was written since, it does not know of; and of the last line perhaps a half is there.
      assert.ok(statSync(project.path('out')).size >= checkpoint().outputLength);
      appendFileSync(project.path('out'), '{"input":0,"res');
      const noted = checkpoint().done;
      writeFileSync(project.path(`noted-${run}`), JSON.stringify(noted));
    } else {
      const { code, stderr } = await exit;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /inputs done .* were done before$/m);
    }
  }
  assert.deepEqual(
    inputs('out').sort((a, b) => a - b),
    Array.from({ length: count }, (_, n) => n),
  );
  const called = readFileSync(project.path('called'), 'utf8').trimEnd().split('\n');
  for (let run = 1; run < 4; run++) {
    const noted: Checkpoint['done'] = JSON.parse(readFileSync(project.path(`noted-${run}`), 'utf8'));
    for (const line of called) {
      const [by, n] = line.split(' ').map(Number) as [number, number];
      assert.ok(by <= run || !noted.some(([start, end]) => start <= n && n < end), `${n} was run again`);
    }
  }
});

test('continued with an appended stdout: each input at least once, and half a line spoils no other', async t => {
  const count = 4000;
  const { project, map, done } = setUp(t, count);
  const run = async (kill: boolean) => {
    const stdout = openSync(project.path('out'), 'a');
    const { child, exit } = map('', ['--checkpoint', 'cp'], { stdout });
    closeSync(stdout);
    if (kill) await until('some is done', () => done() >= 500);
    if (kill) child.kill('SIGKILL');
    return exit;
  };
  await run(true);
  assert.ok(done() < count);
  appendFileSync(project.path('out'), '{"input":0,"res');
  assert.equal((await run(false)).code, 0);
  const seen = new Set<number>();
  let broken = 0;
  for (const line of readFileSync(project.path('out'), 'utf8').trimEnd().split('\n')) {
    try {
      seen.add(JSON.parse(line).input);
    } catch {
      broken++;
    }
  }
  assert.equal(seen.size, count);
  assert.equal(broken, 1);
});

test('where it begins is noted before anything is run, and goes where nothing was', async t => {
  const { project, map } = setUp(t, 1);
  const none = await map('#nix', toFile).exit;
  assert.equal(none.code, 2);
  assert.deepEqual([existsSync(project.path('cp')), existsSync(project.path('out'))], [false, false]);
  assert.equal((await map('#noted', toFile).exit).code, 0);
  assert.equal(readFileSync(project.path('out'), 'utf8'), '{"input":0,"result":0}\n');
});

test('interrupted while the first input is still in hand: the others are not run again, another input is noticed before anything is run', async t => {
  const { project, map, checkpoint, done, inputs } = setUp(t, 500);
  const { child, exit } = map('#first', toFile);
  await until('all others are done', () => done() === 499);
  child.kill('SIGKILL');
  await exit;
  assert.deepEqual(
    checkpoint().done.map(([start, end]) => [start, end]),
    [[1, 500]],
  );
  project.write('gate', '');
  const changed = await map('#first', toFile, { input: '0\n'.repeat(500) }).exit;
  assert.equal(changed.code, 2);
  assert.match(
    changed.stderr,
    /checkpoint .*cp: belongs to another input: its first 500 inputs are not those/,
  );
  assert.equal(inputs('out').length, 499);
  assert.equal((await map('#first', toFile).exit).code, 0);
  assert.deepEqual(inputs('out').at(-1), 0);
  assert.equal(inputs('out').length, 500);
});

test('SIGINT and the same command again; more input afterwards is done as well; failures of before still count', async t => {
  const { map, done, inputs, input } = setUp(t, 3000);
  const { child, exit } = map('#odd', [...toFile, '--ordered'], { input: `0\n1\n${input}` });
  await until('some is done', () => done() > 2);
  child.kill('SIGINT');
  const interrupted = await exit;
  assert.equal(interrupted.code, 130);
  assert.match(interrupted.stderr, /; the same command continues$/m);
  assert.equal(done(), inputs('out').length, 'all that was written is noted');
  assert.equal((await map('#odd', [...toFile, '--ordered'], { input: `0\n1\n${input}` }).exit).code, 1);
  const more = await map('#odd', [...toFile, '--ordered'], { input: `0\n1\n${input}3000\n` }).exit;
  assert.equal(more.code, 1);
  assert.match(more.stderr, /^ph map: 1 input done .*, 3,002 were done before, 1,501 failed$/m);
  assert.deepEqual(inputs('out'), [0, 1, ...Array.from({ length: 3001 }, (_, n) => n)]);
});

test('a checkpoint is refused that belongs to another input, to an output that is cut off, or is in use; nothing is changed', async t => {
  const { project, map, input } = setUp(t, 10);
  assert.equal((await map('', toFile).exit).code, 0);
  const content = () => ['cp', 'out'].map(name => readFileSync(project.path(name), 'utf8'));
  const before = content();
  for (const [other, message] of [
    [input.replace('5', '6'), /another input: its first 10 inputs are not those that were done/],
    ['0\n1\n', /another input: it has 2 inputs, where 10 had been read/],
  ] as const) {
    const { code, stderr } = await map('', toFile, { input: other }).exit;
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
    assert.deepEqual(content(), before);
  }
  writeFileSync(project.path('out'), 'short');
  const short = await map('', toFile).exit;
  assert.equal(short.code, 2);
  assert.match(
    short.stderr,
    /out has 5 bytes, where the checkpoint says \d+ bytes: remove the checkpoint to start anew/,
  );

  const holder = map('#first', ['-o', 'out4', '--checkpoint', 'cp4']);
  await until('it has begun', () => existsSync(project.path('cp4')));
  const second = await map('#first', ['-o', 'out4', '--checkpoint', 'cp4']).exit;
  assert.equal(second.code, 4);
  assert.match(second.stderr, new RegExp(`in use by another ph map, pid ${holder.child.pid}$`, 'm'));
  project.write('gate', '');
  assert.equal((await holder.exit).code, 0);
});

test('S54 a full disk ends it with whole lines and exit code 1; with room again it is continued, each input exactly once', async t => {
  const { map, inputs } = setUp(t, 1000);
  // In blocks of 512 bytes; the signal would end the process.
  const launcher = ['sh', '-c', 'trap "" XFSZ; ulimit -f 600; exec "$@"', 'sh'];
  const full = await map('#long', toFile, { launcher }).exit;
  assert.equal(full.code, 1);
  assert.match(full.stderr, /^ph: cannot write .*out: file too large$/m);
  const some = inputs('out').length;
  assert.ok(some < 1000);
  assert.equal((await map('#long', toFile).exit).code, 0);
  assert.deepEqual(
    inputs('out').sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, n) => n),
  );
  const stdout = openSync('/dev/full', 'w');
  const nowhere = await map('#other', [], { stdout }).exit;
  closeSync(stdout);
  assert.equal(nowhere.code, 1);
  assert.equal(nowhere.stderr, 'ph: cannot write stdout: no space left on device\n');
});
