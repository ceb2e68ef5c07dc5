import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { type Status, StatusSchema } from '../../src/control/protocol.ts';
import { type Exit, type Ph, phEntry, runPh, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, type Project, workerModule } from '../helpers/project.ts';
import { missing, startTerminal } from '../helpers/terminal.ts';

interface Running {
  readonly project: Project;
  readonly ph: Ph;
  /** Runs `ph status` with these words. */
  status(...words: readonly string[]): Promise<Exit>;
}

const files = {
  'works.mjs': workerModule(),
  'broken.mjs': workerModule(`initProcess() { throw new Error('no\\x1b[31m database\\nat all') }`),
};

async function setUp(t: TestContext, sections: Parameters<typeof iniText>[0]): Promise<Running> {
  const project = createProject(t, { ...files, 'ph.ini': iniText({ DEFAULT: { threads: 0 }, ...sections }) });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  return {
    project,
    ph,
    status: (...words) => runPh(t, ['status', ...words], { cwd: project.directory }),
  };
}

function parse(text: string): readonly Status[] {
  return z.strictObject({ supervisors: z.array(StatusSchema) }).parse(JSON.parse(text)).supervisors;
}

const failing = { task: 'broken.mjs', max_restarts: 1, restart_delay: '10ms', restart_delay_max: 20 };

test('the table and the document of what runs; 1 where a section is failed, 2 where there is no such section', async t => {
  const { ph, status } = await setUp(t, {
    images: { task: 'works.mjs', number_workers: 2 },
    mail: failing,
  });
  await ph.log(/^failed/);
  const [all, one, unknown, json] = await Promise.all([
    status(),
    status('images'),
    status('imges'),
    status('images', '--json'),
  ]);
  assert.deepEqual([all.code, all.stderr], [1, '']);
  assert.match(all.stdout, /^ph \S+ {2}running {2}pid \d+ .*ph\.ini {2}node v\d/);
  assert.match(all.stdout, /^SECTION .*RSS {2}NEXT TRY {2}LAST EXIT$/m);
  assert.match(all.stdout, /^images +running +2\/2 /m);
  for (const pid of ph.workers)
    assert.match(all.stdout, new RegExp(`^ {2}#[12] +ready +1 +${pid} .*M$`, 'm'));
  assert.match(
    all.stdout,
    /^mail +failed +0\/1 .*\n {2}! .*no database\b.*\n {2}#1 +exited .* in \d+s +\S+ ago: /m,
  );
  assert.ok(!all.stdout.includes('\x1b'));

  assert.deepEqual([one.code, one.stderr], [0, '']);
  assert.doesNotMatch(one.stdout, /mail/);
  assert.deepEqual([unknown.code, unknown.stdout], [2, '']);
  assert.match(unknown.stderr, /^ph: there is no section \[imges\]; there are: images, mail\n$/);

  const [found] = parse(json.stdout);
  assert.equal(found?.supervisor.pid, ph.pid);
  assert.deepEqual(
    found.sections.map(({ name }) => name),
    ['images'],
  );
  assert.deepEqual(new Set(found.sections[0]?.processes.map(({ pid }) => pid)), new Set(ph.workers));
});

test('where nothing runs: 3, and what was looked for', async t => {
  const project = createProject(t, { ...files, 'ph.ini': iniText({ images: { task: 'works.mjs' } }) });
  const run = (...words: readonly string[]) => runPh(t, ['status', ...words], { cwd: project.directory });
  const [table, json, watch] = await Promise.all([run(), run('--json'), run('--watch')]);
  for (const { code, stderr } of [table, json, watch]) {
    assert.equal(code, 3);
    assert.match(stderr, /^ph: no supervisor is running \(looked for .*\.ph\.sock\)\n$/);
  }
  assert.deepEqual([table.stdout, json.stdout, watch.stdout], ['', '{\n  "supervisors": []\n}\n', '']);
});

test('several supervisors: all of them, or the one of --instance', async t => {
  const keys = { task: 'works.mjs', single_instance: 'false', pidfile: 'ph.pid' };
  const { project, ph, status } = await setUp(t, { images: keys });
  const second = startPh(t, ['run'], { cwd: project.directory });
  await second.ready();
  const [all, one, json] = await Promise.all([status(), status('--instance', '2'), status('--json')]);
  assert.match(
    all.stdout,
    new RegExp(`instance 1 .*pid ${ph.pid} [\\s\\S]*\n\nph .*instance 2 .*pid ${second.pid} `),
  );
  assert.match(one.stdout, new RegExp(`^ph .*instance 2 .*pid ${second.pid} `));
  assert.doesNotMatch(one.stdout, new RegExp(`pid ${ph.pid} `));
  assert.deepEqual(
    parse(json.stdout).map(({ supervisor }) => [supervisor.instance, supervisor.pid]),
    [
      [1, ph.pid],
      [2, second.pid],
    ],
  );
});

test('--watch into a file: one status beneath the other, also over the end of a supervisor', async t => {
  const { project, ph } = await setUp(t, { images: { task: 'works.mjs' } });
  const watch = startPh(t, ['status', '--watch', '--json'], {
    cwd: project.directory,
    launcher: ['sh', '-c', 'exec "$@" > out.ndjson', 'sh'],
  });
  await until('it has begun', () => existsSync(project.path('out.ndjson')));
  const pids = () =>
    readFileSync(project.path('out.ndjson'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map(line => parse(line)[0]?.supervisor.pid);
  await until('there are two', () => pids().length >= 2);
  await ph.stop();
  await until('it says that nothing runs', () => /no supervisor is running/.test(watch.stderr));
  const next = startPh(t, ['run'], { cwd: project.directory });
  await next.ready();
  await until('the next one is there', () => pids().includes(next.pid));
  watch.signal('SIGINT');
  const { signal, stderr } = await watch.exit;
  assert.equal(signal, 'SIGINT');
  assert.equal(stderr.match(/no supervisor is running/g)?.length, 1);
  assert.deepEqual([...new Set(pids())], [ph.pid, next.pid]);
});

test('on a terminal: coloured, not wider than it, live with --watch, and left clean by Ctrl-C', {
  skip: missing('tmux'),
}, async t => {
  const { project, ph } = await setUp(t, { images: { task: 'works.mjs', number_workers: 2 } });
  const command = `'${process.execPath}' '${phEntry}' status`;
  const terminal = startTerminal(t, project, 'bash --norc --noprofile');
  terminal.type(
    `${command} > plain.txt; FORCE_COLOR=1 ${command} > forced.txt; ${command}; echo do''ne`,
    'Enter',
  );
  const once = await terminal.shows(/^done$/m);
  assert.ok(once.split('\n').every(line => line.length <= 100));
  assert.match(once, /^images +running +2\/2 .* \d+M$/m);
  assert.ok(!readFileSync(project.path('plain.txt'), 'utf8').includes('\x1b'));
  assert.ok(readFileSync(project.path('forced.txt'), 'utf8').includes('\x1b[32mrunning\x1b[39m'));

  terminal.type(`clear; stty -g > before; ${command} --watch; stty -g > after; echo le''ft`, 'Enter');
  await terminal.shows(/^images +running +2\/2/m);
  const from = ph.records.length;
  const [victim] = ph.workers;
  assert.ok(victim !== undefined);
  process.kill(victim, 'SIGKILL');
  const { pid } = await ph.nextReady(from);
  await terminal.shows(new RegExp(`^ {2}#[12] +ready .*\\b${pid} [\\s\\S]*^ {2}#`, 'm'));
  terminal.type('', 'C-c');
  // Its last picture stays, as of any command.
  const after = await terminal.shows(/^left$/m);
  assert.equal(after.match(/^SECTION/gm)?.length, 1);
  assert.equal(readFileSync(project.path('after'), 'utf8'), readFileSync(project.path('before'), 'utf8'));
});
