import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { cleanUp } from '../helpers/cleanup.ts';
import { readRecords, untilLogged } from '../helpers/log-file.ts';
import { phEntry, startPh } from '../helpers/ph.ts';
import { processesIn, rssOf, until } from '../helpers/processes.ts';
import { createProject, iniText, workerModule } from '../helpers/project.ts';

const app = { task: 'app.mjs', threads: 0 };
const mega = 2 ** 20;

test('S55 a worker prints 200 MB as fast as it can: nothing is lost, and the supervisor stays small', async t => {
  const lines = 50_000;
  const project = createProject(t, {
    'app.mjs': workerModule(
      `async handleRequest() {
        const filler = 'x'.repeat(4096);
        for (let n = 0; n < ${lines}; n++) {
          console.log(n + ' ' + filler);
          if (n % 500 === 0) await this.sleep(0);
        }
        console.log('done');
        await this.sleep(60_000);
      }`,
    ),
    'ph.ini': iniText({ app: { ...app, log_file: 'ph.log', log_max_size: '50M', log_keep: 10 } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  let largest = 0;
  await until(
    'it is done',
    () => {
      largest = Math.max(largest, rssOf(ph.pid));
      return existsSync(project.path('ph.log')) && endsWith(project.path('ph.log'), '"done"}\n');
    },
    60_000,
  );
  assert.equal((await ph.stop()).code, 0);
  t.diagnostic(`RSS of the supervisor: at most ${Math.round(largest / mega)} MB`);
  assert.ok(largest < 160 * mega, `RSS ${Math.round(largest / mega)} MB`);

  let next = 0;
  for (const name of ['ph.log.5', 'ph.log.4', 'ph.log.3', 'ph.log.2', 'ph.log.1', 'ph.log']) {
    if (!existsSync(project.path(name))) continue;
    for await (const line of createInterface({ input: createReadStream(project.path(name)) })) {
      const { msg } = JSON.parse(line) as { msg: string };
      if (!msg.endsWith('x')) continue;
      assert.equal(msg.length, 4097 + String(next).length);
      assert.equal(Number.parseInt(msg, 10), next);
      next++;
    }
  }
  assert.equal(next, lines);
});

function endsWith(path: string, text: string): boolean {
  const fd = openSync(path, 'r');
  const end = Buffer.alloc(text.length);
  readSync(fd, end, 0, end.length, Math.max(0, fstatSync(fd).size - end.length));
  closeSync(fd);
  return end.toString('latin1') === text;
}

test('S55 a slow reader of stderr slows the worker down: nothing is lost, and `timeout` does not kill it', async t => {
  const lines = 8000;
  const project = createProject(t, {
    'app.mjs': workerModule(
      `handleRequest() {
        const filler = 'x'.repeat(4096);
        for (let n = 0; n < ${lines}; n++) console.error(n + ' ' + filler);
        console.error('done');
        return this.sleep(60_000);
      }`,
    ),
    'ph.ini': iniText({ app: { ...app, timeout: '700ms' } }),
  });
  const child = spawn(process.execPath, [phEntry, 'run'], {
    cwd: project.directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  cleanUp(t, () => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  let text = '';
  let largest = 0;
  let pauseAt = mega;
  let received = 0;
  child.stderr.setEncoding('latin1').on('data', async (chunk: string) => {
    text += chunk;
    received += chunk.length;
    if (received < pauseAt) return;
    pauseAt += 10 * mega;
    child.stderr.pause();
    // Twice what the worker may be silent for.
    await delay(1400);
    largest = Math.max(largest, rssOf(child.pid as number));
    child.stderr.resume();
  });
  await until('it is done', () => text.endsWith('"done"}\n'), 60_000);
  child.kill('SIGTERM');
  assert.deepEqual(await exit, [0, null]);

  const messages = text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line).msg as string);
  const numbers = messages.filter(msg => msg.endsWith('x')).map(msg => Number.parseInt(msg, 10));
  assert.deepEqual(
    numbers,
    Array.from({ length: lines }, (_, n) => n),
  );
  assert.equal(messages.filter(msg => / ready after /.test(msg)).length, 1, 'one worker, from begin to end');
  assert.ok(!messages.some(msg => /hangs|silent/.test(msg)));
  assert.ok(largest < 160 * mega, `RSS ${Math.round(largest / mega)} MB`);
});

test('S55 a line of 10 MB and binary garbage arrive; lines around them are whole', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `setup() {
        console.log('before');
        console.log('y'.repeat(10 * 2 ** 20));
        console.log('between');
        const garbage = Buffer.alloc(200_000);
        for (let i = 0; i < garbage.length; i++) garbage[i] = (i * 7919) >> 5;
        writeSync(1, garbage);
        writeSync(2, Buffer.from([0xff, 0xfe, 0x00, 0x80]));
        console.log('\\nafter');
      }`,
      `import { writeSync } from 'node:fs';`,
    ),
    'ph.ini': iniText({ app: { ...app, log_file: 'ph.log' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const log = project.path('ph.log');
  await untilLogged(log, /all workers ready/);
  assert.equal((await ph.stop()).code, 0);
  const messages = readRecords(log).map(({ msg }) => msg);
  for (const msg of ['before', 'between', 'after'])
    assert.equal(messages.filter(each => each === msg).length, 1, msg);
  assert.equal(messages.filter(msg => msg.length === 10 * mega && /^y+$/.test(msg)).length, 1);
});

test('S55 a worker that closes its stdout lives on, prints into the void, and its stderr is still logged', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `n = 0;
      handleRequest() {
        if (this.n++ === 1) closeSync(1);
        console.log('stdout');
        this.logger.info('logger');
        console.error('stderr');
        return this.sleep(20);
      }`,
      `import { closeSync } from 'node:fs';`,
    ),
  });
  const ph = startPh(t, ['run', 'app.mjs', '-t', '0'], { cwd: project.directory });
  const workers = await ph.ready();
  await ph.logs('stderr', 10);
  assert.equal(ph.records.filter(({ msg }) => msg === 'stdout').length, 1);
  assert.deepEqual(ph.workers, [...workers.values()]);
  // No graceful end: Node aborts when it closes a descriptor of its own that has got the number 1.
  ph.signal('SIGQUIT');
  assert.equal((await ph.exit).code, 0);
});

test('S45 a worker that prints after its master was killed finishes what it has in hand', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `async handleRequest() {
        console.log('begun');
        while (process.connected) await new Promise(done => setTimeout(done, 10));
        for (let i = 0; i < 20; i++) {
          console.log('into the void');
          console.error('into the void');
          this.logger.info('into the void');
          await new Promise(done => setTimeout(done, 10));
        }
        writeFileSync('finished', '');
      }`,
      `import { writeFileSync } from 'node:fs';`,
    ),
  });
  const ph = startPh(t, ['run', 'app.mjs', '-t', '0'], { cwd: project.directory });
  await ph.log('begun');
  ph.signal('SIGKILL');
  await until('it has finished', () => existsSync(project.path('finished')));
  await until('it is gone', () => processesIn(project.directory).length === 0);
});
