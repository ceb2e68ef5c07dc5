import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isReadyLine, type LogRecord, type Ph, startPh } from '../helpers/ph.ts';
import { isAlive } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

/** Logs each round and its end; keeps 4 MB more with each round where `grow` is set. */
const source = `
import { SyncWorker } from 'processhandler';
const kept = [];
export default class Rounds extends SyncWorker {
  #rounds = 0;
  async handleRequest() {
    this.#rounds++;
    if (this.config.settings.grow === String(this.index)) kept.push(Buffer.alloc(4 * 2 ** 20, 1));
    await this.sleep(10);
  }
  stop() { this.logger.info({ rounds: this.#rounds }, 'drained'); }
}`;

function start(t: TestContext, keys: Readonly<Record<string, string | number>>): Ph {
  const project = createProject(t, { 'rounds.mjs': source });
  const flags = Object.entries({ threads: 0, ...keys }).flatMap(([key, value]) => [
    '--set',
    `${key}=${value}`,
  ]);
  return startPh(t, ['run', 'rounds.mjs', ...flags], { cwd: project.directory });
}

const isDrained = ({ exit }: LogRecord) => exit === 'drained';

/**
 * Follows the log from the moment that all were ready: how many workers served at the least and at the most, with the
 * ready lines as births and the drained ones as the deaths that the workers announced.
 */
function serving(records: readonly LogRecord[]): { least: number; most: number } {
  const from = records.findIndex(({ msg }) => msg === 'all workers ready');
  let count = records.slice(0, from).filter(isReadyLine).length;
  let [least, most] = [count, count];
  for (const record of records.slice(from)) {
    if (isReadyLine(record)) count++;
    else if (record.msg === 'drained') count--;
    least = Math.min(least, count);
    most = Math.max(most, count);
  }
  return { least, most };
}

/** Each worker that drained had the index of one that was ready before. */
function assertReplacedFirst(records: readonly LogRecord[]): void {
  for (const [at, gone] of records.entries()) {
    if (!isDrained(gone)) continue;
    const readyAt = records.findIndex(record => isReadyLine(record) && record.workerPid === gone.workerPid);
    const next = records.findIndex(
      (record, n) => n > readyAt && isReadyLine(record) && record.index === gone.index,
    );
    assert.ok(next > readyAt && next < at, `worker ${gone.workerPid} left before its replacement was ready`);
  }
}

test('S51 max_requests: the replacement is ready before the old one drains, one at a time, at the same index', async t => {
  const ph = start(t, { number_workers: 2, max_requests: 10, graceful_timeout: '5s' });
  await ph.ready();
  await ph.logs(isDrained, 6);
  const { records } = ph;
  assertReplacedFirst(records);
  const { least, most } = serving(records);
  assert.equal(least, 2, 'never a dip');
  assert.ok(most <= 3, `one at a time: ${most}`);
  const retiring = records.filter(({ msg }) => msg.includes(' retires: '));
  assert.match(retiring[0]?.msg ?? '', /^worker \d \(pid \d+\) retires: max_requests$/);
  assert.equal(records.filter(({ exit }) => exit !== undefined && exit !== 'drained').length, 0);
  for (const { rounds } of records.filter(({ msg }) => msg === 'drained')) {
    assert.ok((rounds as number) >= 10, 'it served until its replacement was ready');
  }
});

test('max_requests_jitter spreads the ends of workers that began together', async t => {
  const ph = start(t, { number_workers: 4, max_requests: 5, max_requests_jitter: 200 });
  await ph.ready();
  await ph.logs(isDrained, 4);
  const rounds = ph.records.filter(({ msg }) => msg === 'drained').map(record => record.rounds as number);
  assert.ok(Math.max(...rounds) - Math.min(...rounds) > 5, `all after much the same rounds: ${rounds}`);
});

test('max_memory: only the worker above it is replaced', async t => {
  const ph = start(t, { number_workers: 2, max_memory: '150M', grow: 2, timeout: '500ms' });
  const first = (await ph.ready()).get(1) as number;
  const [gone] = (await ph.logs(isDrained, 1)) as [LogRecord];
  assert.equal(gone.index, 2);
  assert.match((await ph.log(/ retires: /)).msg, /^worker 2 .* retires: max_memory$/);
  assertReplacedFirst(ph.records);
  assert.ok(isAlive(first));
});

test('max_lifetime: each worker is replaced when its time has come', async t => {
  const ph = start(t, { number_workers: 2, max_lifetime: '300ms' });
  await ph.ready();
  const gone = await ph.logs(isDrained, 3);
  assert.deepEqual([...new Set(gone.map(({ index }) => index))].sort(), [1, 2]);
  assertReplacedFirst(ph.records);
  const { least, most } = serving(ph.records);
  assert.ok(least === 2 && most <= 3, `${least} to ${most}`);
  assert.match((await ph.log(/ retires: /)).msg, / retires: max_lifetime$/);
});

test('S51 a replacement that cannot boot leaves the old worker to serve', async t => {
  const project = createProject(t, {
    'once.mjs': `
import { existsSync, writeFileSync } from 'node:fs';
import { SyncWorker } from 'processhandler';
export default class Once extends SyncWorker {
  setup() {
    if (existsSync('booted')) throw new Error('no second time');
    writeFileSync('booted', '');
  }
  async handleRequest() { await this.sleep(5); this.logger.info('round'); }
}`,
  });
  const args = ['run', 'once.mjs', '-t', '0', '--set', 'max_requests=3', '--set', 'restart_delay=20ms'];
  const ph = startPh(t, args, { cwd: project.directory });
  const pid = (await ph.ready()).get(1) as number;
  await ph.log(({ exit, repeats }) => exit === 'boot-failure' && repeats === 4);
  const before = ph.records.length;
  await ph.log(record => record.pid === pid && record.msg === 'round', before);
  assert.deepEqual(ph.records.filter(isDrained), []);
  const attempts = ph.records.filter(({ exit }) => exit === 'boot-failure');
  assert.ok(attempts.length <= 4, 'with the backoff of the restart policy, and repeats counted');
});
