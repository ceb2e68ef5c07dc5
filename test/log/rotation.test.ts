import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FileTarget } from '../../src/log/file-target.ts';
import { Sink } from '../../src/log/sink.ts';
import { messagesIn, rotatedFiles, temporaryDirectory, until } from './support.ts';

interface Opened {
  readonly path: string;
  readonly sink: Sink;
  readonly target: FileTarget;
  readonly troubles: string[];
}

function open(t: TestContext, maxSize: number, keep: number, before?: (path: string) => void): Opened {
  const path = join(temporaryDirectory(t), 'log');
  before?.(path);
  const target = new FileTarget(path);
  const troubles: string[] = [];
  target.maxSize = maxSize;
  target.keep = keep;
  target.onRotateError = reason => troubles.push(reason);
  return { path, target, troubles, sink: new Sink(target, (_, message) => troubles.push(message)) };
}

function line(msg: number | string): string {
  return `${JSON.stringify({ msg })}\n`;
}

/** Writes numbered lines as fast as the sink takes them. */
async function writeNumbers(sink: Sink, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    if (sink.full) await sink.drained();
    sink.write(line(n));
  }
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test('S30 rotation under load: each line is there once, whole and in order', async t => {
  const { path, sink, troubles } = open(t, 64 * 1024, 1000);
  await writeNumbers(sink, 0, 200_000);
  await sink.close();
  const files = rotatedFiles(path);
  assert.ok(files.length > 30);
  assert.deepEqual(files.flatMap(messagesIn), numbers(0, 200_000));
  for (const file of files) assert.ok(statSync(file).size <= 64 * 1024);
  assert.deepEqual(troubles, []);
});

test('only log_keep rotated files stay, the newest', async t => {
  const { path, sink } = open(t, 1000, 3);
  await writeNumbers(sink, 0, 1000);
  await sink.close();
  const files = rotatedFiles(path);
  assert.deepEqual(
    files.map(file => basename(file)),
    ['log.3', 'log.2', 'log.1', 'log'],
  );
  const kept = files.flatMap(messagesIn);
  assert.deepEqual(kept, numbers(1000 - kept.length, 1000));
});

test('log_keep = 0 keeps the file alone', async t => {
  const { path, sink } = open(t, 1000, 0);
  await writeNumbers(sink, 0, 1000);
  await sink.close();
  assert.deepEqual(rotatedFiles(path), [path]);
  assert.ok(statSync(path).size <= 1000);
  assert.equal(messagesIn(path).at(-1), 999);
});

test('the size counts from what the file held before', async t => {
  const { path, sink } = open(t, 1000, 2, path => writeFileSync(path, line('x'.repeat(900))));
  await writeNumbers(sink, 0, 20);
  await sink.close();
  assert.deepEqual(messagesIn(`${path}.1`).slice(1).concat(messagesIn(path)), numbers(0, 20));
});

test('a line larger than log_max_size has a file to itself', async t => {
  const { path, sink } = open(t, 100, 5);
  for (const msg of ['a', 'b'.repeat(500), 'c']) sink.write(line(msg));
  await sink.close();
  assert.deepEqual(rotatedFiles(path).map(messagesIn), [['a'], ['b'.repeat(500)], ['c']]);
});

test('a line that a killed supervisor left torn is not glued to the next', async t => {
  const { path, sink } = open(t, 0, 0, path => writeFileSync(path, '{"msg":"to'));
  sink.write(line(1));
  await sink.close();
  assert.equal(readFileSync(path, 'utf8'), '{"msg":"to\n{"msg":1}\n');
});

test('a rotation that fails is reported once, and writing goes on', async t => {
  const { path, sink, troubles } = open(t, 1000, 1, path => mkdirSync(`${path}.1`));
  await writeNumbers(sink, 0, 5000);
  await sink.close();
  assert.deepEqual(messagesIn(path), numbers(0, 5000));
  assert.deepEqual(troubles, ['illegal operation on a directory']);
});

test('S30 a file renamed away under load is reopened, and no line is lost or torn', async t => {
  const { path, sink } = open(t, 0, 0);
  for (let round = 0; round < 20; round += 1) {
    await writeNumbers(sink, round * 5000, (round + 1) * 5000);
    // The last reopening waits for the write under way.
    await until(() => existsSync(path), 'the file is there again');
    renameSync(path, `${path}.${100 - round}`);
    sink.reopen();
  }
  await writeNumbers(sink, 100_000, 100_010);
  await sink.close();
  assert.deepEqual(rotatedFiles(path).flatMap(messagesIn), numbers(0, 100_010));
});

test('two supervisors that share a file lose nothing when one of them rotates', async t => {
  const { path, sink } = open(t, 10_000, 1000);
  const other = new FileTarget(path);
  other.maxSize = 10_000;
  other.keep = 1000;
  const second = new Sink(other, () => {});
  await Promise.all([writeNumbers(sink, 0, 20_000), writeNumbers(second, 20_000, 40_000)]);
  await Promise.all([sink.close(), second.close()]);
  const all = rotatedFiles(path).flatMap(messagesIn).map(Number);
  assert.deepEqual(
    all.sort((a, b) => a - b),
    numbers(0, 40_000),
  );
});

test('flushSync writes what waits, in order, also behind a write under way', async t => {
  const { path, sink } = open(t, 0, 0);
  for (let n = 0; n < 1000; n += 1) sink.write(line(n));
  // The microtask hands a first batch to a thread.
  await Promise.resolve();
  for (let n = 1000; n < 2000; n += 1) sink.write(line(n));
  sink.flushSync();
  assert.deepEqual(messagesIn(path), numbers(0, 2000));
  sink.write(line(2000));
  await sink.close();
  assert.deepEqual(messagesIn(path), numbers(0, 2001));
});
