import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { test } from 'node:test';
import { isHopeless } from '../../src/supervisor/container.ts';
import { cleanUp } from '../helpers/cleanup.ts';
import { noNamespaces, onTerminal, startContainer } from '../helpers/container.ts';
import { childrenOf, processesIn, until, zombiesOf } from '../helpers/processes.ts';
import { createProject, iniText, workerModule } from '../helpers/project.ts';

/** Since Node 22.15 and 23.11 a process can become another program. */
const canReap = 'execve' in process;

/** Leaves a process behind that ends a little later, and says so. */
const leavesOrphans = `import { execFileSync } from 'node:child_process';
${workerModule(`setup() {
    for (let i = 0; i < 3; i++) execFileSync('sh', ['-c', 'setsid sleep 0.1 >/dev/null 2>&1 &']);
    this.logger.info('left some behind');
  }
  async stop() { await this.sleep(200); this.logger.info('finished its work'); }`)}`;

test('S15 as process 1: JSON on stdout, orphans are reaped (or it says why not), TERM is passed on and obeyed', {
  skip: noNamespaces,
}, async t => {
  const project = createProject(t, { 'app.mjs': leavesOrphans });
  const container = startContainer(t, ['run', 'app.mjs', '-t', '0'], { cwd: project.directory });
  await container.line(/all workers ready/);
  const one = container.processOne();
  if (canReap) {
    await container.line(/"level":30.*is process 1 in place of ph, to reap/);
    // The supervisor alone is left of its children.
    await until('the orphans are gone', () => childrenOf(one).length + zombiesOf(one).length === 1);
  } else {
    await container.line(/"level":40.*Node does not reap what others leave behind.*docker run --init/);
    await until('the orphans are left', () => zombiesOf(one).length === 3);
  }
  process.kill(one, 'SIGHUP');
  await container.line(/generation 2 serves/);
  process.kill(one, 'SIGUSR2');
  await container.line(/upgrade refused: this supervisor is all that its container is for/);
  process.kill(one, 'SIGTERM');
  assert.equal(await container.exitCode, 0);
  const records = container.stdout.map(line => JSON.parse(line));
  assert.equal(records.at(-1).msg, 'stopped');
  assert.ok(records.some(({ msg }) => msg === 'finished its work'));
  // Nobody took an orphan's end for that of a worker.
  assert.ok(!records.some(({ exit }) => exit !== undefined && exit !== 'drained'));
  assert.deepEqual(container.stderr, []);
});

test('as the main process of a container it exits with 1 once every section is failed, for the orchestrator to act', {
  skip: noNamespaces,
}, async t => {
  const crashing = { task: 'app.mjs', threads: 0, max_restarts: 1, restart_delay: 0.01 };
  const project = createProject(t, {
    'app.mjs': workerModule().replace('return this.sleep(50)', 'process.exit(3)'),
    'ph.ini': iniText({ a: crashing, b: crashing }),
    tini: '#!/bin/sh\n"$@"\n',
  });
  chmodSync(project.path('tini'), 0o755);
  for (const init of [[], [project.path('tini')]]) {
    const container = startContainer(t, ['run'], { cwd: project.directory, init });
    assert.equal(await container.exitCode, 1);
    assert.ok(
      container.stdout.some(line => line.includes('every section is failed')),
      container.stdout.join('\n'),
    );
    assert.deepEqual(container.stderr, []);
  }
});

test('a Ctrl-C of the terminal of a container lets its workers finish, although it comes on two ways', {
  skip: noNamespaces || !canReap,
}, async t => {
  const project = createProject(t, { 'app.mjs': workerModule() });
  const [command, args] = onTerminal(['run', 'app.mjs', '-t', '0', '--log-format', 'json']);
  const child = spawn(command, args, { cwd: project.directory, stdio: ['pipe', 'pipe', 'inherit'] });
  cleanUp(t, () => {
    for (const pid of processesIn(project.directory)) process.kill(pid, 'SIGKILL');
  });
  let output = '';
  for await (const chunk of child.stdout) {
    const wasReady = output.includes('all workers ready');
    output += chunk;
    if (!wasReady && output.includes('all workers ready')) child.stdin.write('\x03');
  }
  assert.match(output, /stopping: SIGINT/);
  assert.match(output, /"exit":"drained"/);
  assert.doesNotMatch(output, /"exit":"quit"/);
});

test('as the main process of a container it does not go to the background', {
  skip: noNamespaces,
}, async t => {
  const project = createProject(t, { 'app.mjs': workerModule() });
  const container = startContainer(t, ['run', '-d', 'app.mjs', '--set', 'log_file=x.log'], {
    cwd: project.directory,
  });
  assert.equal(await container.exitCode, 2);
  assert.match(container.stderr.join('\n'), /^ph: this is the main process of a container.*leave out -d/);
});

test('there is hope while a section serves, boots, or has done what it was for beside one that serves', () => {
  assert.equal(isHopeless(['failed', 'failed']), true);
  assert.equal(isHopeless(['failed', 'stopped']), true);
  assert.equal(isHopeless(['failed', 'running']), false);
  assert.equal(isHopeless(['failed', 'backoff']), false);
  assert.equal(isHopeless(['failed', 'reloading']), false);
  assert.equal(isHopeless(['stopped', 'stopped']), false);
});
