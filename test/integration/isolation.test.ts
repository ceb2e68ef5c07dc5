import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isReadyLine, startPh } from '../helpers/ph.ts';
import { isAlive, titleOf } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

const rounds = `
import { SyncWorker } from 'processhandler';
export const square = n => n * n;
export default class Rounds extends SyncWorker {
  #round = 0;
  async handleRequest() {
    const n = ++this.#round;
    const result = this.config.threads ? await this.pool.run(n, { name: 'square' }) : n * n;
    if (result !== n * n) throw new Error('wrong result');
    this.logger.info('round ' + n);
    await this.sleep(20);
  }
}`;

const ini = `
[DEFAULT]
task = rounds.mjs
number_workers = 2
threads = 0
restart_delay = 20ms

[first]
[second]
threads = 1
proc_name = two
`;

test('killing every process of one section disturbs no worker of another; replacements take the free indexes', async t => {
  const project = createProject(t, { 'rounds.mjs': rounds, 'ph.ini': ini });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const pidsOf = (section: string, from = 0) =>
    new Map(
      ph.records
        .slice(from)
        .filter(record => record.section === section && isReadyLine(record))
        .map(({ index, workerPid }) => [index as number, workerPid as number]),
    );
  const [first, second] = [pidsOf('first'), pidsOf('second')];
  assert.deepEqual([...first.keys()].sort(), [1, 2]);
  assert.deepEqual([...second.keys()].sort(), [1, 2]);

  for (let kill = 1; kill <= 2; kill++) {
    const before = ph.records.length;
    for (const pid of pidsOf('first').values()) process.kill(pid, 'SIGKILL');
    await ph.logs(record => record.section === 'first' && isReadyLine(record), 2, before);
    assert.deepEqual([...pidsOf('first', before).keys()].sort(), [1, 2]);
    // Still the same processes, and still at work.
    const now = ph.records.length;
    await Promise.all([...second.values()].map(pid => ph.log(record => record.pid === pid, now)));
  }
  for (const [index, pid] of second) {
    assert.ok(isAlive(pid));
    const own = ph.records.filter(record => record.pid === pid && /^round /.test(record.msg));
    assert.deepEqual(
      own.map(({ msg }) => msg),
      own.map((_, n) => `round ${n + 1}`),
      `no round of worker ${index} was lost or repeated`,
    );
  }

  for (const [index, pid] of pidsOf('first')) assert.equal(titleOf(pid), `ph: first#${index}`);
  for (const [index, pid] of second) assert.equal(titleOf(pid), `ph: two#${index}`, 'proc_name');
  assert.equal(titleOf(ph.pid), 'ph: master [first, two]');
  assert.equal((await ph.stop()).code, 0);
  assert.deepEqual([...pidsOf('first').values(), ...second.values()].filter(isAlive), []);
});

test('a section that cannot boot leaves the others to serve, and says why', async t => {
  const project = createProject(t, {
    'rounds.mjs': rounds,
    'broken.mjs': `throw new Error('cannot work');`,
    'ph.ini': `[good]\ntask = rounds.mjs\nthreads = 0\n[bad]\ntask = broken.mjs\n`,
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const failure = await ph.log(({ section, exit }) => section === 'bad' && exit !== undefined);
  assert.match(failure.msg, /could not boot: Error: cannot work; restarting/);
  assert.match(String(failure.details), /broken\.mjs:1/);
  const now = ph.records.length;
  await ph.log(({ section, msg }) => section === 'good' && msg.startsWith('round '), now);
  assert.equal((await ph.stop()).code, 0);
});
