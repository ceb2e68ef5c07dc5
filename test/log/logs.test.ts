import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { LogFileError } from '../../src/errors.ts';
import { Logs } from '../../src/log/logs.ts';
import { linesOf, logSettings, messagesIn, temporaryDirectory, until } from './support.ts';

function worker(section: string) {
  return { section, pid: 7, index: 1, stdout: new PassThrough(), stderr: new PassThrough() };
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

test('a record carries its section; the supervisor goes where the first section goes', async t => {
  const directory = temporaryDirectory(t);
  const [a, b] = [join(directory, 'a'), join(directory, 'b')];
  const logs = new Logs();
  logs.apply([logSettings({ section: 'a', logFile: a }), logSettings({ section: 'b', logFile: b })]);
  logs.logger().info('own');
  logs.logger('a').info('of a');
  logs.logger('b').error(new TypeError('of b'));
  await logs.close();
  const { pid } = process;
  const [own, ofA] = linesOf(readFileSync(a, 'utf8')).map(line => JSON.parse(line));
  assert.deepEqual({ ...own, time: 0 }, { level: 30, time: 0, pid, name: 'ph', msg: 'own' });
  assert.equal(typeof own.time, 'number');
  assert.equal(ofA.section, 'a');
  const ofB = JSON.parse(readFileSync(b, 'utf8'));
  assert.equal(ofB.err.type, 'TypeError');
  assert.match(ofB.err.stack, /logs\.test/);
});

test('sections share a file, and a worker prints into it', async t => {
  const path = join(temporaryDirectory(t), 'log');
  const logs = new Logs();
  logs.apply([logSettings({ section: 'a', logFile: path }), logSettings({ section: 'b', logFile: path })]);
  const source = worker('b');
  const { done } = logs.collect(source);
  source.stdout.end('one\r\n{"msg":"two"}\nthree');
  source.stderr.end();
  await done;
  logs.logger('a').info('four');
  await logs.close();
  assert.deepEqual(messagesIn(path), ['one', 'two', 'three', 'four']);
});

test('S18 settings change at a reload; loggers handed out earlier follow', async t => {
  const directory = temporaryDirectory(t);
  const [before, after] = [join(directory, 'before'), join(directory, 'after')];
  const logs = new Logs();
  logs.apply([logSettings({ logFile: before })]);
  const [own, jobs] = [logs.logger(), logs.logger('jobs')];
  const child = jobs.child({ index: 1 });
  const source = worker('jobs');
  const { done } = logs.collect(source);
  source.stdout.write('printed 1\n');
  jobs.debug('no');
  jobs.info('logged 1');
  await until(() => existsSync(before) && messagesIn(before).length === 2, 'two lines');

  logs.apply([logSettings({ logFile: after, logLevel: 'debug' })]);
  jobs.debug('logged 2');
  own.debug('own 2');
  child.info('child 2');
  source.stdout.end('printed 2\n');
  source.stderr.end();
  await done;
  logs.apply([logSettings({ logFile: after, logLevel: 'silent' })]);
  jobs.fatal('no');
  await logs.close();
  assert.deepEqual(messagesIn(before).sort(), ['logged 1', 'printed 1']);
  assert.deepEqual(messagesIn(after).sort(), ['child 2', 'logged 2', 'own 2', 'printed 2']);
});

test('S18 a log file that cannot be opened keeps the previous settings, and nothing piles up', async t => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'log');
  const logs = new Logs();
  logs.apply([logSettings({ logFile: path })]);
  const logger = logs.logger();
  const files = openFiles();
  const missing = join(directory, 'missing', 'log');
  for (let n = 0; n < 100; n += 1) {
    assert.throws(
      () =>
        logs.apply([
          logSettings({ logFile: join(directory, 'other'), logLevel: 'silent' }),
          logSettings({ section: 'bad', logFile: missing }),
        ]),
      (error: unknown) =>
        error instanceof LogFileError &&
        error.code === 'PH_ERR_LOG_FILE' &&
        error.path === missing &&
        error.message === `cannot open log file ${missing}: no such file or directory`,
    );
  }
  assert.throws(() => logs.apply([logSettings({ logFile: directory })]), /illegal operation on a directory/);
  logger.info('as before');
  assert.equal(openFiles(), files);
  await logs.close();
  assert.deepEqual(messagesIn(path), ['as before']);
});

test('S19 a hundred reloads leak no file', async t => {
  const directory = temporaryDirectory(t);
  const logs = new Logs();
  logs.apply([logSettings({ logFile: join(directory, 'log') })]);
  const files = openFiles();
  for (let n = 0; n < 100; n += 1) {
    logs.apply([
      logSettings({ logFile: join(directory, `log.${n % 3}`), logFormat: n % 2 ? 'pretty' : 'json' }),
    ]);
    logs.logger('jobs').info(`${n}`);
  }
  await until(() => openFiles() === files, 'the old files are closed');
  await logs.close();
});

test('a removed section keeps its file while its workers print; its loggers then join the supervisor', async t => {
  const directory = temporaryDirectory(t);
  const [a, b] = [join(directory, 'a'), join(directory, 'b')];
  const logs = new Logs();
  logs.apply([logSettings({ section: 'a', logFile: a }), logSettings({ section: 'b', logFile: b })]);
  const logger = logs.logger('b');
  const source = worker('b');
  const { done } = logs.collect(source);
  logs.apply([logSettings({ section: 'a', logFile: a })]);
  source.stdout.end('last words\n');
  source.stderr.end();
  await done;
  await new Promise(resolve => setImmediate(resolve));
  logger.info('after');
  await logs.close();
  assert.deepEqual([messagesIn(a), messagesIn(b)], [['after'], ['last words']]);
});

test('S30 reopen', async t => {
  const path = join(temporaryDirectory(t), 'log');
  const logs = new Logs();
  logs.apply([logSettings({ logFile: path })]);
  logs.logger().info('old');
  await until(() => messagesIn(path).length === 1, 'the first line');
  renameSync(path, `${path}.old`);
  logs.reopen();
  logs.logger().info('new');
  await logs.close();
  assert.deepEqual([messagesIn(`${path}.old`), messagesIn(path)], [['old'], ['new']]);
});

test('pretty: a line per record without colours in a file, stacks beneath, other JSON as it is', async t => {
  const path = join(temporaryDirectory(t), 'log');
  const logs = new Logs();
  logs.apply([logSettings({ logFile: path, logFormat: 'pretty' })]);
  const source = worker('jobs');
  const { done } = logs.collect(source);
  source.stdout.end('{"any":"object"}\n{"level":{},"time":1}\nprinted\n');
  source.stderr.end();
  await done;
  logs.logger('jobs').error({ err: new Error('why'), id: 5 }, 'failed');
  await logs.close();
  const text = readFileSync(path, 'utf8');
  const [first, second, third, fourth, ...stack] = linesOf(text);
  assert.equal(first, '{"any":"object"}');
  assert.equal(second, '{"level":{},"time":1}');
  assert.match(third ?? '', /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: jobs#1 7 printed$/);
  assert.match(fourth ?? '', /ERROR: ph jobs failed {"id":5}$/);
  assert.match(stack.join('\n'), /^ {4}err: {\n[\s\S]*"message": "why"[\s\S]*\n +at /);
});

test('a stream that breaks off or is destroyed ends the collection', async t => {
  const path = join(temporaryDirectory(t), 'log');
  const logs = new Logs();
  logs.apply([logSettings({ logFile: path })]);
  const source = worker('jobs');
  const { done } = logs.collect(source);
  source.stdout.write('half a line');
  await new Promise(resolve => setImmediate(resolve));
  source.stdout.destroy(new Error('reset'));
  source.stderr.destroy();
  await done;
  await logs.close();
  assert.deepEqual(messagesIn(path), ['half a line']);
});
