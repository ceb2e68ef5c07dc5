import assert from 'node:assert/strict';
import { readdirSync, renameSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { readRecords, untilLogged } from '../helpers/log-file.ts';
import { startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, workerModule } from '../helpers/project.ts';

const app = { task: 'app.mjs', threads: 0 };

/** Prints numbered lines, a hundred a turn, until the file `enough` is there; then `last N`. */
const chatty = workerModule(
  `async handleRequest() {
    for (let i = 0; i < 100; i++) console.log('line ' + this.n++);
    await this.sleep(2);
  }
  n = 0;
  stop() { console.log('last ' + this.n); }`,
);

/** Asserts that the worker's lines are all there, once and in their order. */
function assertComplete(files: readonly string[]): void {
  const messages = files.flatMap(readRecords).map(({ msg }) => msg);
  const lines = messages.filter(msg => msg.startsWith('line '));
  const last = Number(messages.find(msg => msg.startsWith('last '))?.slice(5));
  assert.ok(last > 0);
  assert.deepEqual(
    lines,
    Array.from({ length: last }, (_, n) => `line ${n}`),
  );
}

test('S30 log files that are renamed away are opened anew on USR1: no line is lost or torn', async t => {
  const project = createProject(t, {
    'app.mjs': chatty,
    'ph.ini': iniText({ app: { ...app, log_file: 'ph.log' } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const log = project.path('ph.log');
  const files: string[] = [];
  await untilLogged(log, /line 100"/);
  for (let i = 1; i <= 5; i++) {
    const renamed = project.path(`renamed.${i}`);
    renameSync(log, renamed);
    files.push(renamed);
    const size = statSync(renamed).size;
    await until('it goes on in the renamed file', () => statSync(renamed).size > size);
    ph.signal('SIGUSR1');
    await untilLogged(log, /line \d+"/);
  }
  assert.equal((await ph.stop()).code, 0);
  assertComplete([...files, log]);
});

test('S30 a log file rotates by its size under a chatty worker: no line is lost or torn, log_keep files are kept', async t => {
  const keys = { ...app, log_file: 'ph.log', log_max_size: '64K' };
  const project = createProject(t, {
    'app.mjs': chatty,
    'ph.ini': iniText({ app: { ...keys, log_keep: 1000 } }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const rotated = () => readdirSync(project.directory).filter(name => /^ph\.log\.\d+$/.test(name)).length;
  await until('twelve files are full', () => rotated() >= 12);
  assert.equal((await ph.stop()).code, 0);
  const count = rotated();
  const files = Array.from({ length: count }, (_, i) => project.path(`ph.log.${count - i}`));
  for (const file of files) assert.ok(statSync(file).size <= 64 * 1024);
  assertComplete([...files, project.path('ph.log')]);

  project.write('ph.ini', iniText({ app: { ...keys, log_keep: 2 } }));
  const again = startPh(t, ['run'], { cwd: project.directory });
  await until('what is too many is removed', () => rotated() === 2);
  assert.equal((await again.stop()).code, 0);
  assert.equal(rotated(), 2);
});
