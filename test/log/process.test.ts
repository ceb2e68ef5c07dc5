import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collector, isPaused, printer } from './collecting.ts';
import type { CollectorReport } from './fixtures/collector.ts';
import { fixture, linesOf, message, temporaryDirectory, textOf } from './support.ts';

/** Counts the lines of a stream and checks that they are numbered in order. */
function countNumbers() {
  let rest = '';
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(chunk: Buffer): void {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) assert.equal(Number.parseInt(JSON.parse(line).msg, 10), count++);
    },
  };
}

for (const [kind, megabytes] of [
  ['socket', 30],
  ['pipe', 120],
] as const) {
  test(`S55 a worker prints ${megabytes} MB to a slow reader of a ${kind}: bounded memory, all lines, in order`, async t => {
    const { child, stderr } = collector(t, printer(megabytes * 10_000), {}, kind);
    const numbers = countNumbers();
    stderr.on('data', chunk => numbers.add(chunk));
    await message(child);
    for (let n = 0; n < 10; n += 1) {
      stderr.pause();
      while (!(await isPaused(child)));
      stderr.resume();
    }
    const report = await message<CollectorReport>(child);
    await once(child, 'close');
    assert.equal(numbers.count, megabytes * 10_000);
    assert.ok(report.grown < 100, `grown by ${report.grown} MB`);
  });

  test(`S55 a stopped reader of a ${kind} does not block the event loop`, async t => {
    const { child, stderr } = collector(t, printer(100_000), {}, kind);
    await message(child);
    // While what lies between fills up, it may be paused for a moment only.
    for (let answers = 0; answers < 100; ) answers = (await isPaused(child)) ? answers + 1 : 0;
    stderr.resume();
    const report = await message<CollectorReport>(child);
    assert.ok(report.delay < 1000, `a delay of ${report.delay} ms`);
  });

  test(`the reader of a ${kind} goes away: the worker and the supervisor go on`, async t => {
    const { child, stderr } = collector(t, printer(200_000), {}, kind);
    await message(child);
    stderr.destroy();
    const report = await message<CollectorReport>(child);
    assert.ok(report.grown < 100, `grown by ${report.grown} MB`);
  });
}

test('S55 a line of 10 MB, one of 20 MB, garbage, and a worker that closes its stdout', async t => {
  const path = join(temporaryDirectory(t), 'log');
  const program = `
    const fs = require('node:fs');
    const print = data => { for (let rest = Buffer.from(data); rest.length; ) rest = rest.subarray(fs.writeSync(1, rest)); };
    print('é'.repeat(5e6) + '\\n');
    print(JSON.stringify({ msg: 'm'.repeat(10e6) }) + '\\n');
    print('漢'.repeat(7e6) + '\\n');
    print(Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251)));
    print('\\nlast');
    fs.closeSync(1);
    console.error('alive');`;
  const { child } = collector(t, program, { logFile: path });
  await message(child);
  const report = await message<CollectorReport>(child);
  const records = linesOf(readFileSync(path, 'utf8')).map(line => JSON.parse(line));
  const texts = records.map(({ msg }) => msg);
  assert.equal(texts[0], 'é'.repeat(5e6));
  assert.equal(texts[1], 'm'.repeat(10e6));
  assert.deepEqual(
    records.slice(2, 4).map(({ part }) => part),
    [1, 2],
  );
  assert.equal(texts[2] + texts[3], '漢'.repeat(7e6));
  assert.ok(texts.includes('last') && texts.includes('alive'));
  assert.ok(report.grown < 400, `grown by ${report.grown} MB`);
});

test('a worker that logs and prints at once: no line is torn, whatever its size', async t => {
  const child = fixture(t, 'worker.ts', ['mixed']);
  assert.ok(child.stdout);
  // It is to find the pipe full at first.
  await once(child.stdout, 'readable');
  const lines = linesOf(await textOf(child.stdout));
  const logged = lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line));
  assert.equal(lines.filter(line => line === 'x'.repeat(500_000)).length, 20);
  assert.equal(lines.length, 41);
  const { time, ...first } = logged[0];
  assert.equal(typeof time, 'number');
  const pid = child.pid;
  assert.deepEqual(first, { level: 30, pid, section: 'jobs', index: 2, name: 'jobs', n: 0, msg: 'logged' });
  assert.equal(logged.at(-1).err.type, 'TypeError');
});

test('S55 a worker whose stdout is closed goes on', async t => {
  const child = fixture(t, 'worker.ts', ['closed']);
  assert.ok(child.stderr);
  assert.equal(await textOf(child.stderr), 'still here\n');
});

test('log_level = silent in a worker', async t => {
  const child = fixture(t, 'worker.ts', ['mixed', 'silent']);
  assert.ok(child.stdout);
  assert.deepEqual(
    linesOf(await textOf(child.stdout)).filter(line => !line.startsWith('x')),
    [],
  );
});
