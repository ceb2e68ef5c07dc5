import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { connect } from '../../src/control/client.ts';
import { type Ph, phEntry, runPh, startPh } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { createProject, iniText, type Project } from '../helpers/project.ts';
import { missing, startTerminal, type Terminal } from '../helpers/terminal.ts';

const files = {
  'tasks.mjs': `
    export function spin({ ms }) { const end = Date.now() + ms; while (Date.now() < end); }
    if (process.env.BROKEN) throw new Error('the new code is broken');`,
  'ph.ini': iniText({
    DEFAULT: { task: 'tasks.mjs', threads: 1 },
    images: { number_workers: 2 },
    mail: { number_workers: 1 },
  }),
};

const skip = missing('tmux');

interface Session {
  readonly project: Project;
  readonly ph: Ph;
  readonly terminal: Terminal;
  /** Asks tmux about the terminal, or changes it. */
  tmux(...args: readonly string[]): string;
  /** Fails where the terminal is not as it was before the first command. */
  isAsBefore(): void;
}

async function start(t: TestContext): Promise<Session> {
  const project = createProject(t, files);
  const ph = await startSupervisor(t, project);
  const terminal = startTerminal(t, project, 'bash --norc --noprofile', {
    TOP: `${process.execPath} ${phEntry} top`,
  });
  terminal.type('stty -g > before; echo "$TMUX" > socket', 'Enter');
  await until('tmux has said where it is', () => existsSync(project.path('socket')) && read('socket') !== '');
  function read(name: string): string {
    return readFileSync(project.path(name), 'utf8');
  }
  const tmux = (...args: readonly string[]) =>
    execFileSync('tmux', ['-S', read('socket').split(',')[0] as string, ...args], {
      encoding: 'utf8',
    }).trim();
  // Wide enough for every column.
  tmux('resize-window', '-x', '180', '-y', '30');
  return {
    project,
    ph,
    terminal,
    tmux,
    isAsBefore() {
      assert.equal(
        tmux('display-message', '-p', 'alternate #{alternate_on}, cursor #{cursor_flag}, wrap #{wrap_flag}'),
        'alternate 0, cursor 1, wrap 1',
      );
      assert.equal(read('after'), read('before'));
    },
  };
}

async function startSupervisor(t: TestContext, project: Project): Promise<Ph> {
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  return ph;
}

test('keys select, scale, reload and show a stack; the terminal may shrink; a supervisor may go and come back', {
  skip,
}, async t => {
  const { project, ph, terminal, tmux, isAsBefore } = await start(t);
  terminal.type('clear; $TOP; echo code=$?; stty -g > after; echo le""ft', 'Enter');
  const first = await terminal.shows(/^ {2}mail#1 +ready/m);
  assert.match(first, /^▸ images +running +2\/2 .*[▁█]/m);
  assert.match(first, /^ {2}SECTION .*TASKS\/S +P95 +MEMORY$/m);
  for (const pid of ph.workers)
    assert.match(first, new RegExp(`^ {2}(images|mail)#\\d +ready .*\\b${pid}\\b`, 'm'));

  terminal.type('+');
  await terminal.shows(/^▸ images +running +3\/3 /m);
  terminal.type('-');
  await terminal.shows(/^▸ images +running +2\/2 /m);
  terminal.type('', 'Down');
  await terminal.shows(/^▸ mail /m);
  terminal.type('r');
  await terminal.shows(/^mail: reloaded in /m);

  const running = connect(project.path('.ph.sock')).submit({
    section: 'mail',
    name: 'spin',
    payload: { ms: 60_000 },
  });
  // Its worker is gone before it is done.
  running.catch(() => {});
  terminal.type('', 'End');
  await terminal.shows(/^▸ mail#1 +ready +2 .* 1\/1 /m);
  terminal.type('s');
  await terminal.shows(/^mail#1 \(pid \d+\)\n[\s\S]*spin/m);
  terminal.type('', 'Escape');
  await terminal.shows(/^▸ mail#1 /m);
  terminal.type('>>');
  await terminal.shows(/WORKER .*RSS▼/);

  tmux('resize-window', '-x', '50', '-y', '10');
  const small = await terminal.shows(/^ph .*…\n\n {2}SECTION[\s\S]*^▸ mail#1 [\s\S]*sort: RSS▼$/m);
  assert.ok(small.split('\n').length <= 10);
  tmux('resize-window', '-x', '180', '-y', '30');

  await ph.destroy();
  await terminal.shows(/^no supervisor is running .*waiting for it to come back/m);
  await startSupervisor(t, project);
  await terminal.shows(/^ph [\s\S]*^▸ mail#1 +ready +1 /m);
  terminal.type('q');
  await terminal.shows(/^code=0\n[\s\S]*^left$/m);
  isAsBefore();
});

test('a code that is broken is shown and changes nothing; Ctrl-Z and fg; Ctrl-C, TERM and an exception leave the terminal as it was', {
  skip,
}, async t => {
  const { project, terminal, tmux, isAsBefore } = await start(t);
  const leaves = 'stty -g > after; echo le""ft';
  terminal.type('clear; $TOP', 'Enter');
  await terminal.shows(/^▸ images +running/m);
  project.write('tasks.mjs', 'throw new Error("the new code is broken");');
  terminal.type('r');
  await terminal.shows(/the new code is broken/);
  terminal.type('', 'Escape');
  await terminal.shows(/^▸ images +running +2\/2 [\s\S]*^ {2}images#2 +ready +1 /m);

  terminal.type('', 'C-z');
  await terminal.shows(/Stopped/);
  terminal.type(leaves, 'Enter');
  await terminal.shows(/^left$/m);
  isAsBefore();
  terminal.type('fg', 'Enter');
  await terminal.shows(/^▸ images +running/m);
  terminal.type('', 'C-c');
  await terminal.shows(/^.*fg\n/m);
  terminal.type(`clear; echo code=$?; ${leaves}`, 'Enter');
  await terminal.shows(/^code=0\nleft$/m);
  isAsBefore();

  terminal.type(`clear; $TOP; echo code=$?; ${leaves}`, 'Enter');
  await terminal.shows(/^▸ images +running/m);
  process.kill(topPid(tmux), 'SIGTERM');
  await terminal.shows(/^Terminated[\s\S]*^code=143\nleft$/m);
  isAsBefore();

  project.write('bomb.mjs', 'process.on("SIGUSR2", () => { throw new Error("boom") });');
  terminal.type(`clear; NODE_OPTIONS=--import=./bomb.mjs $TOP; echo code=$?; ${leaves}`, 'Enter');
  await terminal.shows(/^▸ images +running/m);
  process.kill(topPid(tmux), 'SIGUSR2');
  await terminal.shows(/Error: boom[\s\S]*^code=1\nleft$/m);
  isAsBefore();
});

/** Of the program that the shell has started in the terminal. */
function topPid(tmux: Session['tmux']): number {
  const shell = tmux('display-message', '-p', '#{pane_pid}');
  const pid = Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8'));
  assert.ok(pid > 0);
  return pid;
}

test('without a terminal: 2, and what to use; where nothing runs: 3', async t => {
  const project = createProject(t, files);
  const { code, stdout, stderr } = await runPh(t, ['top'], { cwd: project.directory });
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^ph: ph top needs a terminal .*ph status --watch.*\n$/);
  if (skip) return;
  const terminal = startTerminal(t, project, `${process.execPath} ${phEntry} top; echo code=$?`);
  await terminal.shows(/^ph: no supervisor is running \(looked for [\s\S]*^code=3$/m);
});
