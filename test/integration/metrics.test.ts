import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { addressesOf, Client, connect, fetchBody } from '../helpers/clients.ts';
import { ask, metricsAddressOf, promtool, scrape, scrapeUntil } from '../helpers/metrics.ts';
import { runPh, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, packageRoot, workerModule } from '../helpers/project.ts';
import { post, startRpc } from '../helpers/rpc.ts';
import { whoAnswers } from '../helpers/serving.ts';
import { deploy, holdable, startHeldUpgrade, upgrade } from '../helpers/upgrade.ts';

type Keys = Readonly<Record<string, string | number>>;

const app: Keys = { task: 'app.mjs', threads: 0, pidfile: 'ph.pid', metrics_bind: '127.0.0.1:0' };

const files = { 'app.mjs': holdable, 'web.mjs': whoAnswers };

function setUp(t: TestContext, keys: Keys = {}) {
  const project = createProject(t, { ...files, 'ph.ini': iniText({ app: { ...app, ...keys } }) });
  return {
    project,
    configure: (changed: Keys) => project.write('ph.ini', iniText({ app: { ...app, ...keys, ...changed } })),
    start: () => startPh(t, ['run'], { cwd: project.directory }),
  };
}

async function readiness(address: string) {
  const { status, body } = await ask(address, '/readyz');
  return { status, ...JSON.parse(body) };
}

/** Asks again and again, and counts what was not answered as it should be. */
function keepAsking(t: TestContext, address: string, ...paths: string[]) {
  const failures: string[] = [];
  let answered = 0;
  let isOver = false;
  const over = (async () => {
    for (let round = 0; !isOver; round++) {
      const path = paths[round % paths.length] as string;
      const answer = await ask(address, path).catch((error: NodeJS.ErrnoException) => error);
      if (answer instanceof Error) failures.push(answer.code ?? answer.message);
      else if (answer.status !== 200) failures.push(`${answer.status} ${answer.body}`);
      answered++;
    }
  })();
  const end = async () => {
    isOver = true;
    await over;
  };
  cleanUp(t, end);
  return { failures, end, answered: () => answered };
}

test('each page answers GET and HEAD, and nothing else; what is not there is said', async t => {
  const { start } = setUp(t);
  const ph = start();
  await ph.ready();
  const address = await metricsAddressOf(ph);
  const pages = (await ask(address, '/')).body.trim().split('\n');
  assert.deepEqual(pages, ['/', '/metrics', '/livez', '/readyz', '/status']);
  for (const page of pages) {
    const [whole, head] = [await ask(address, `${page}?x=1`), await ask(address, page, 'HEAD')];
    assert.deepEqual([whole.status, head.status, head.body], [200, 200, ''], page);
    assert.equal(head.headers['content-type'], whole.headers['content-type']);
    assert.ok(Number(head.headers['content-length']) > 0);
    const refused = await ask(address, page, 'POST');
    assert.deepEqual([refused.status, refused.headers.allow], [405, 'GET, HEAD'], page);
  }
  for (const page of ['/nothing', '/metrics/', '/constructor', '//', '*']) {
    assert.equal((await ask(address, page)).status, 404, page);
  }
  assert.equal(JSON.parse((await ask(address, '/status')).body).supervisor.pid, ph.pid);
});

test('S33 garbage, clients that never finish and more connections than it takes disturb neither workers nor scrapes', async t => {
  const { start } = setUp(t, { task: 'web.mjs', bind: '127.0.0.1:0' });
  const ph = start();
  await ph.ready();
  const [web = ''] = await addressesOf(ph);
  const address = await metricsAddressOf(ph);
  const before = ph.workers;
  const garbage = ['\0\x01\x02\r\n\r\n', 'GET\r\n\r\n', 'POST / HTTP/1.1\r\nContent-Length: zzz\r\n\r\n'];
  const replies = await Promise.all(garbage.map(text => new Client(address).send(text).whole()));
  for (const reply of replies) assert.match(reply, /^HTTP\/1\.1 400 Bad Request\r\n/);
  const long = new Client(address).send(`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`);
  assert.match(await long.whole(), /^HTTP\/1\.1 431 /);

  // Each sends a little, and never the end.
  const slow = Array.from({ length: 200 }, () => connect(t, address).send('GET /metrics HTTP/1.1\r\nX: '));
  await Promise.all(slow.map(client => client.connected()));
  for (let round = 0; round < 5; round++) {
    assert.equal((await ask(address, '/livez')).body, 'ok\n');
    assert.equal(JSON.parse(await fetchBody(web)).pid, before[0]);
  }
  const metrics = await scrape(address);
  assert.equal(metrics.value('ph_section_workers', { state: 'ready' }), 1);
  const cut = slow.filter(({ socket }) => socket.readableEnded || socket.destroyed);
  assert.ok(cut.length >= 200 - 64, `${cut.length} of 200 had to give way`);
  assert.match(await (slow.at(-1) as Client).whole(), /^HTTP\/1\.1 408 Request Timeout\r\n/);

  assert.deepEqual(ph.workers, before);
  assert.equal((await ph.stop()).code, 0);
  assert.ok(!ph.records.some(({ level }) => level >= 40), ph.stderr);
});

test('/readyz says why it is not ready: while workers boot, when a section has failed, while all stop', async t => {
  const project = createProject(t, {
    'app.mjs': workerModule(
      `async setup() {
        console.log('boots');
        while (existsSync('hold')) await new Promise(resolve => setTimeout(resolve, 10));
        if (existsSync('broken')) throw new Error('no database');
      }
      handleRequest() { if (existsSync('broken')) process.exit(3); return this.sleep(10); }
      async stop() { while (existsSync('hold')) await new Promise(resolve => setTimeout(resolve, 10)); }`,
      `import { existsSync } from 'node:fs';`,
    ),
    hold: '',
    'ph.ini': iniText({
      app: { ...app, number_workers: 2, max_restarts: 1, restart_delay: 0, restart_delay_max: 1 },
    }),
  });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  const address = await metricsAddressOf(ph);
  await ph.logs('boots', 2);
  assert.deepEqual(await readiness(address), {
    status: 503,
    ready: false,
    state: 'starting',
    reason: 'the supervisor is starting',
    sections: { app: { ready: false, state: 'starting', reason: 'no worker is ready' } },
  });
  assert.equal((await ask(address, '/livez')).status, 200);

  rmSync(project.path('hold'));
  await ph.ready();
  assert.deepEqual(await readiness(address), {
    status: 200,
    ready: true,
    state: 'running',
    sections: { app: { ready: true, state: 'running' } },
  });

  project.write('broken', '');
  await ph.log(/^failed: /);
  const failed = await readiness(address);
  assert.deepEqual([failed.status, failed.sections.app.state], [503, 'failed']);
  assert.match(failed.sections.app.reason, /no database|exited with code 3/);
  assert.equal((await ask(address, '/livez')).status, 200);

  rmSync(project.path('broken'));
  const mark = ph.records.length;
  await ph.logs(/ready after/, 2, mark);
  assert.equal((await readiness(address)).status, 200);

  project.write('hold', '');
  ph.signal('SIGTERM');
  await ph.log('stopping');
  const stopping = await readiness(address);
  assert.deepEqual([stopping.status, stopping.reason], [503, 'the supervisor is stopping']);
  assert.equal((await ask(address, '/livez')).status, 200);
  rmSync(project.path('hold'));
  assert.equal((await ph.exit).code, 0);
  await assert.rejects(ask(address, '/livez'), { code: 'ECONNREFUSED' });
});

test('an address that is in use ends the start with the place of its key, and nothing is left', async t => {
  const { project, start } = setUp(t, { single_instance: 'false' });
  const first = start();
  await first.ready();
  const address = await metricsAddressOf(first);
  const there = readdirSync(project.directory).sort();
  const place = `${project.path('ph.ini')}:5: [app] metrics_bind: ${address} is in use`;

  project.write('ph.ini', iniText({ app: { ...app, metrics_bind: address } }));
  const alone = await runPh(t, ['run', '--set', 'pidfile=other.pid'], { cwd: project.directory });
  assert.deepEqual([alone.code, alone.stderr], [1, `ph: ${place}\n`]);

  project.write('ph.ini', iniText({ app: { ...app, metrics_bind: address, single_instance: 'false' } }));
  const second = await runPh(t, ['run'], { cwd: project.directory });
  const hint = 'each instance needs an address of its own: ph run --set metrics_bind=HOST:PORT';
  assert.deepEqual([second.code, second.stderr], [1, `ph: ${place}; ${hint}\n`]);
  assert.deepEqual(readdirSync(project.directory).sort(), there);

  const third = startPh(t, ['run', '--set', 'metrics_bind=unix:second.sock'], { cwd: project.directory });
  await third.ready();
  const status = JSON.parse((await ask(`unix:${project.path('second.sock')}`, '/status')).body);
  assert.deepEqual([status.supervisor.pid, status.supervisor.instance], [third.pid, 2]);
  assert.equal((await third.stop()).code, 0);
  assert.deepEqual(readdirSync(project.directory).sort(), there);
});

test('at a reload an address that stays goes on, a new one is there before the old one goes, and a bad one changes nothing', async t => {
  const { project, start, configure } = setUp(t);
  const ph = start();
  await ph.ready();
  const first = await metricsAddressOf(ph);
  const reload = async (changed: Keys, until = /^generation \d+ serves/) => {
    configure(changed);
    const mark = ph.records.length;
    ph.signal('SIGHUP');
    await ph.log(until, mark);
    return mark;
  };

  const asking = keepAsking(t, first, '/livez');
  await reload({ log_level: 'debug' });
  const broken = await reload({ metrics_bind: 'unix:new.sock', task: 'bad.mjs' }, /^reload failed/);
  const taken = await reload({ metrics_bind: '192.0.2.1:80' }, /^reload failed/);
  assert.match(
    ph.records.slice(taken).find(({ level }) => level === 50)?.msg ?? '',
    /:5: \[app\] metrics_bind: 192\.0\.2\.1:80 is no address of this machine$/,
  );
  assert.ok(!existsSync(project.path('new.sock')));
  assert.ok(!ph.records.slice(broken).some(({ msg }) => /^metrics on/.test(msg)));
  await until('it has been asked often', () => asking.answered() > 10);
  await asking.end();
  assert.deepEqual(asking.failures, []);

  await reload({ metrics_bind: 'unix:new.sock' });
  const second = `unix:${project.path('new.sock')}`;
  assert.equal((await ask(second, '/livez')).status, 200);
  await assert.rejects(ask(first, '/livez'), { code: 'ECONNREFUSED' });

  unlinkSync(project.path('new.sock'));
  await until('the socket is bound anew', () => existsSync(project.path('new.sock')));
  assert.equal((await ask(second, '/livez')).status, 200);

  await reload({ metrics_bind: '' });
  assert.ok(!existsSync(project.path('new.sock')));
  const mark = await reload({});
  assert.equal((await ask(await metricsAddressOf(ph, mark), '/livez')).status, 200);
});

test('S02 S52 scrapes never fail over upgrades that fail and succeed; whoever is in charge answers, also when the one before was killed', async t => {
  const deployment = await deploy(t, { metrics_bind: '127.0.0.1:0' });
  const { ph } = deployment;
  const address = await metricsAddressOf(ph);
  const asking = keepAsking(t, address, '/status', '/metrics', '/readyz');

  const held = await startHeldUpgrade(deployment);
  assert.equal(JSON.parse((await ask(address, '/status')).body).supervisor.pid, ph.pid);
  process.kill(held.pid, 'SIGKILL');
  await ph.log(/^upgrade failed/, held.mark);
  held.release();

  const next = await upgrade(deployment);
  assert.equal(JSON.parse((await ask(address, '/status')).body).supervisor.pid, next.pid);
  await asking.end();
  assert.deepEqual(asking.failures, []);
  assert.ok(asking.answered() > 0);

  const heir = await startHeldUpgrade(deployment);
  process.kill(next.pid, 'SIGKILL');
  assert.equal(JSON.parse((await ask(address, '/status')).body).supervisor.pid, heir.pid);
  heir.release();
  await ph.log('all workers ready', heir.mark);
  process.kill(heir.pid, 'SIGTERM');
  await ph.exit;
  await assert.rejects(ask(address, '/livez'), { code: 'ECONNREFUSED' });
});

test('S14 what workers do is counted by section and worker, over crashes, restarts and fewer workers; an outside parser reads it', async t => {
  const { ph, url } = await startRpc(t, {
    number_workers: 2,
    threads: 1,
    // Often enough that the counts are soon known.
    timeout: '0.5',
    task_timeout: '150ms',
    restart_delay: 0,
    metrics_bind: '127.0.0.1:0',
  });
  const address = await metricsAddressOf(ph);
  const call = async (method: string, params: unknown) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    return (await post(url, body, { Connection: 'close' })).body as { error?: { code: number } };
  };
  const codes = new Set<number>();
  for (let round = 0; round < 6; round++) {
    const calls = Array.from({ length: 10 }, () => call('busy', [2]));
    const others = [call('fail', [{}]), call('nowhere', []), call('update', []), call('where', [60])];
    for (const { error } of await Promise.all([...calls, ...others])) if (error) codes.add(error.code);
  }
  assert.ok((await call('loop', [])).error);

  const section = 'ph_section_tasks_total';
  const counted = await scrapeUntil(
    address,
    metrics =>
      metrics.value(section, { outcome: 'timed-out' }) === 1 &&
      metrics.value(section, { outcome: 'done' }) === 72,
  );
  assert.equal(counted.value(section, { outcome: 'failed' }), 6);
  for (const outcome of counted.labels(section, 'outcome')) {
    const perWorker = counted.values('ph_worker_tasks_total', { outcome });
    assert.equal(
      perWorker.reduce((sum, value) => sum + value, 0),
      counted.value(section, { outcome }),
      outcome,
    );
  }
  const run = counted.histogram('ph_section_task_run_seconds', { section: 'app' });
  assert.equal(run?.count, 79);
  assert.ok(
    (run?.buckets['0.05'] ?? 0) >= 12 && (run?.buckets['0.05'] ?? 0) <= 73,
    'the six of 60 ms are above',
  );
  assert.ok((run?.sum ?? 0) > 6 * 0.06 + 60 * 0.002 + 0.15, `${run?.sum} s`);
  assert.equal(counted.histogram('ph_section_task_wait_seconds')?.count, 79);
  assert.equal(counted.value('ph_section_rpc_calls_total', { method: 'busy', code: 'ok' }), 60);
  assert.equal(codes.size, 2);
  for (const code of codes) assert.equal(counted.value('ph_section_rpc_calls_total', { code: `${code}` }), 6);
  assert.equal(counted.value('ph_section_connections_accepted_total'), 6 * 14 + 1);
  const cpu = counted.values('ph_worker_cpu_seconds_total').reduce((sum, value) => sum + value, 0);
  assert.ok(cpu > 0.1 && cpu < 60, `${cpu} s`);

  const pid = (await ph.ready()).get(1) as number;
  process.kill(pid, 'SIGKILL');
  const killed = await scrapeUntil(
    address,
    metrics =>
      metrics.value('ph_section_exits_total', { reason: 'killed' }) === 1 &&
      metrics.value('ph_section_workers', { state: 'ready' }) === 2,
  );
  assert.equal(killed.value('ph_section_restarts_total'), 1);
  assert.equal(killed.value('ph_worker_restarts_total', { worker: '1' }), 1);
  assert.equal(killed.value(section, { outcome: 'done' }), 72, 'of all workers that there have been');
  await scrapeUntil(
    address,
    metrics => metrics.value('ph_worker_tasks_total', { worker: '1', outcome: 'done' }) === 0,
  );

  ph.signal('SIGTTOU');
  const fewer = await scrapeUntil(
    address,
    metrics => metrics.value('ph_section_exits_total', { reason: 'drained' }) === 1,
  );
  assert.equal(fewer.value('ph_section_workers_wanted'), 1);
  for (const [name, { data }] of Object.entries(fewer.families)) {
    if (!name.startsWith('ph_worker_')) continue;
    assert.deepEqual(
      [...new Set(data.map(({ labels }) => labels.worker))],
      data.length > 0 ? ['1'] : [],
      name,
    );
  }
  assert.equal(fewer.value(section, { outcome: 'done' }), 72);

  const documented = readFileSync(join(packageRoot, 'docs/metrics.md'), 'utf8').match(/^\| `ph_\w+`/gm) ?? [];
  assert.deepEqual(Object.keys(fewer.families).sort(), documented.map(row => row.slice(3, -1)).sort());
  assert.equal(promtool(['check', 'metrics'], fewer.text) ?? '', '');
});
