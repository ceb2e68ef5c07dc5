import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPh } from '../helpers/ph.ts';
import { isAlive, titleOf } from '../helpers/processes.ts';
import { createProject, packageRoot } from '../helpers/project.ts';

test('ph run FILE works on both tiers, and says which process and which threads did the work', async t => {
  const ph = startPh(t, ['run', 'tasks/jobexecute.ts', '-w', '2', '-t', '2'], { cwd: packageRoot });
  const workers = await ph.ready();
  assert.equal(workers.size, 2);

  for (const [index, pid] of workers) {
    const round = await ph.log(record => record.pid === pid && /^round 1:/.test(record.msg));
    assert.equal(round.name, 'jobexecute', 'the static loggerName');
    assert.match(round.msg, /148933 primes in \d+ ms \(thread \d+: \d+ ms, thread \d+: \d+ ms\)/);
    assert.equal(titleOf(pid), `ph: jobexecute#${index}`);
  }
  assert.equal(titleOf(ph.pid), 'ph: master [jobexecute]');

  const { code } = await ph.stop();
  assert.equal(code, 0);
  assert.equal((await ph.logs(/^stopped after \d+ rounds$/, 2)).length, 2, 'stop() was called in both');
  for (const pid of workers.values()) assert.ok(!isAlive(pid));
});

test('a task module without a class is served: its functions are tasks that wait for work', async t => {
  const project = createProject(t, { 'math.mjs': 'export const double = n => n * 2;\n' });
  const ph = startPh(t, ['run', 'math.mjs', '-t', '1'], { cwd: project.directory });
  await ph.ready();
  assert.equal((await ph.stop()).code, 0);
});
