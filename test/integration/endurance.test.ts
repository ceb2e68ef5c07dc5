import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { isReadyLine, startPh } from '../helpers/ph.ts';
import { isAlive, openFilesOf, rssOf, until } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

const mebibyte = 2 ** 20;

/** While the file `churn` is there, one section crashes and the other is recycled, as fast as they can. */
const source = `
import { existsSync } from 'node:fs';
import { SyncWorker } from 'processhandler';
export default class Churn extends SyncWorker {
  async handleRequest() {
    while (!existsSync('churn') && !this.signal.aborted) await this.sleep(20);
    if (this.config.name === 'recycled' || this.signal.aborted) return;
    if (this.index % 2) process.exit(1);
    process.kill(process.pid, 'SIGKILL');
  }
}`;

const ini = `
[DEFAULT]
task = churn.mjs
number_workers = 2
threads = 0
restart_delay = 1ms
restart_delay_max = 1ms
max_restarts = 1000000
[crashing]
[recycled]
max_requests = 1
`;

test('S57 after many crashes and recycles the supervisor has the files and the memory that it had', async t => {
  const project = createProject(t, { 'churn.mjs': source, 'ph.ini': ini });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();

  const churn = async (starts: number) => {
    const before = ph.records.length;
    project.write('churn', '');
    // In portions, so that a slow machine is not taken for a stuck supervisor.
    for (let started = 10; started <= starts; started += 10) await ph.logs(isReadyLine, started, before);
    rmSync(project.path('churn'));
    await until('four workers are left, all of them ready', () => {
      const ready = new Set(ph.records.filter(isReadyLine).map(({ workerPid }) => workerPid as number));
      const { workers } = ph;
      return workers.length === 4 && workers.every(pid => ready.has(pid));
    });
  };

  await churn(50);
  const files = openFilesOf(ph.pid);
  const memory = rssOf(ph.pid);

  await churn(70);
  await until('as many files are open as before', () => openFilesOf(ph.pid) <= files);
  const growth = rssOf(ph.pid) - memory;
  assert.ok(growth < 15 * mebibyte, `${(growth / mebibyte).toFixed(1)} MB more`);

  const pids = ph.records.filter(isReadyLine).map(({ workerPid }) => workerPid as number);
  assert.equal((await ph.stop()).code, 0);
  assert.deepEqual(pids.filter(isAlive), []);
});
