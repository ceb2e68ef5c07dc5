import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type HookCall, HookRunner, maxRunning, maxWaiting } from '../../src/supervisor/hook-runner.ts';
import { processesIn, until } from '../helpers/processes.ts';
import { createProject, type Project } from '../helpers/project.ts';

function createRunner() {
  const troubles: string[] = [];
  const lines: string[] = [];
  const runner = new HookRunner({
    onTrouble: ({ name, section }, message) => troubles.push(`${name} ${section}: ${message}`),
    collect: ({ stdout, stderr }) => {
      for (const stream of [stdout, stderr]) stream.on('data', chunk => lines.push(String(chunk)));
    },
  });
  return { runner, troubles, lines };
}

function call(project: Project, command: string, given: Partial<HookCall> = {}): HookCall {
  const event = {
    event: 'failed',
    reason: 'x',
    time: '2026-01-01T00:00:00.000Z',
    supervisor: { pid: 1, instance: 1 },
    section: 'web',
  } as const;
  const base = { name: 'on_failed', section: 'web', event, limit: 30_000 } as const;
  return { ...base, directory: project.directory, command, ...given };
}

const linesOf = (project: Project, file: string) =>
  existsSync(project.path(file)) ? readFileSync(project.path(file), 'utf8').split('\n').slice(0, -1) : [];

test('one command of a hook runs at a time, in the order of the events, and a crash loop cannot fill the memory', async t => {
  const project = createProject(t, {});
  const { runner, troubles } = createRunner();
  runner.run(call(project, 'echo first >> log; exec sleep 100'));
  const count = maxWaiting + 7;
  for (let i = 0; i < count; i++) runner.run(call(project, `echo ${i} >> log`));
  await until('the first one runs', () => linesOf(project, 'log').length === 1);
  assert.deepEqual(troubles, [
    `on_failed web: ${maxWaiting} events wait for it already: what comes now is lost, and counted`,
  ]);
  runner.quit();
  await runner.close(1000);
  assert.deepEqual(linesOf(project, 'log'), ['first']);
  assert.deepEqual(troubles.slice(1), [
    `on_failed web: ${count} events were lost`,
    'on_failed web: killed: ph stops',
  ]);

  const next = createRunner();
  for (let i = 0; i < 5; i++) next.runner.run(call(project, `sleep 0.0${5 - i}; echo ${i} >> order`));
  await next.runner.close(10_000);
  assert.deepEqual(linesOf(project, 'order'), ['0', '1', '2', '3', '4']);
  assert.deepEqual(next.troubles, []);
});

test('the commands of all hooks together are bounded as well', async t => {
  const project = createProject(t, {});
  const { runner } = createRunner();
  for (let i = 0; i < maxRunning + 3; i++) {
    runner.run(call(project, 'echo $$ >> log; while [ ! -e go ]; do sleep 0.05; done', { section: `s${i}` }));
  }
  await until('as many run as may', () => linesOf(project, 'log').length === maxRunning);
  project.write('go', '');
  await runner.close(10_000);
  assert.equal(linesOf(project, 'log').length, maxRunning + 3);
});

test('a command that takes too long is ended with all that it has started', async t => {
  const project = createProject(t, {});
  const { runner, troubles } = createRunner();
  runner.run(call(project, 'sleep 100 & sleep 100; echo never >> log', { limit: 150 }));
  runner.run(call(project, 'sleep 100 & echo left one behind', { section: 'other' }));
  await runner.close(10_000);
  assert.deepEqual(troubles, ['on_failed web: killed: it ran longer than 0.15 s (hook_timeout)']);
  assert.deepEqual(linesOf(project, 'log'), []);
  await until('nothing is left', () => processesIn(project.directory).length === 0);
});

test('a command that fails, cannot be found, does not read or cannot be started is told, and harms no other', async t => {
  const project = createProject(t, {});
  const { runner, troubles, lines } = createRunner();
  const large = { ...call(project, '').event, reason: 'x'.repeat(1_000_000) } as HookCall['event'];
  runner.run(call(project, 'exit 3'));
  runner.run(call(project, 'no-such-command'));
  runner.run(call(project, 'kill -TERM $$'));
  runner.run(call(project, 'exec <&-; exit 0', { event: large }));
  runner.run(call(project, 'true', { directory: project.path('nowhere') }));
  runner.run(call(project, 'echo "$PH_EVENT $PH_SECTION" >> log; cat >> log'));
  await runner.close(10_000);
  assert.deepEqual(troubles.slice(0, 3), [
    'on_failed web: exited with code 3',
    'on_failed web: exited with code 127',
    'on_failed web: killed by SIGTERM',
  ]);
  assert.match(troubles[3] as string, /^on_failed web: cannot be started: .*ENOENT/);
  assert.equal(troubles.length, 4);
  assert.match(lines.join(''), /no-such-command/);
  const [names, event] = linesOf(project, 'log');
  assert.equal(names, 'failed web');
  assert.deepEqual(JSON.parse(event as string), call(project, '').event);
});

test('who stops waits no longer than it is told', async t => {
  const project = createProject(t, {});
  const { runner, troubles } = createRunner();
  runner.run(call(project, 'sleep 100'));
  runner.run(call(project, 'echo never >> log'));
  await runner.close(100);
  assert.deepEqual(troubles, ['on_failed web: 1 event was lost', 'on_failed web: killed: ph stops']);
  runner.run(call(project, 'echo too late >> log'));
  await runner.close(100);
  assert.deepEqual(linesOf(project, 'log'), []);
});
