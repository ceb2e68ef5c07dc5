/** Makes the pictures of `ph status` and `ph top`: from what a real supervisor under load shows on a real terminal. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '../src/control/client.ts';
import { ansiToSvg } from './ansi-svg.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const ph = join(root, 'dist/cli/main.js');
const directory = join(tmpdir(), 'shop');
const socket = join(directory, '.ph.sock');
/** As many as `ph top` shows of a course, and some. */
const SECONDS = 50;
const COLUMNS = 150;

const files = {
  'ph.ini': `[DEFAULT]
threads = 2
graceful_timeout = 5

[prices]
task = ${join(root, 'tasks/math.ts')}
number_workers = 2

[reports]
task = ${join(root, 'tasks/math.ts')}

[mail]
task = mail.mjs
max_restarts = 3
restart_delay_max = 20
`,
  'mail.mjs': `import { SyncWorker } from 'processhandler';
export default class extends SyncWorker {
  initProcess() {
    throw new Error('connect ECONNREFUSED 10.0.0.7:25');
  }
  handleRequest() {}
}
`,
};

/** Resolves when one section has failed and the others run. */
async function running(): Promise<void> {
  for (;;) {
    const status = await connect(socket)
      .status()
      .catch(() => undefined);
    const states = status?.sections.map(({ state }) => state).join();
    if (states === 'running,running,failed') return;
    await delay(100);
  }
}

/** Tasks that come in waves, until the signal aborts; the period in ms. */
async function load(section: string, limit: number, period: number, signal: AbortSignal): Promise<void> {
  const client = connect(socket);
  const began = performance.now();
  const submitters = Array.from({ length: 6 }, async () => {
    while (!signal.aborted) {
      const wave = Math.sin((2 * Math.PI * (performance.now() - began)) / period);
      await delay(50 * (1 - wave));
      await client.submit({ section, name: 'countPrimes', payload: { limit } });
    }
  });
  await Promise.all(submitters);
}

/** What the terminal shows once the command has drawn what matches. */
async function capture(command: string, rows: number, pattern: RegExp, seconds: number): Promise<string> {
  const tmux = (...args: readonly string[]) =>
    execFileSync('tmux', ['-L', `ph-pictures-${process.pid}`, '-f', '/dev/null', ...args], {
      cwd: directory,
      env: { ...process.env, LC_ALL: 'C.UTF-8', NO_COLOR: '' },
      encoding: 'utf8',
    });
  tmux('new-session', '-d', '-x', String(COLUMNS), '-y', String(rows), `${command}; sleep 1000`);
  try {
    await delay(seconds * 1000);
    for (;;) {
      const screen = tmux('capture-pane', '-p', '-e');
      if (pattern.test(screen)) return screen;
      await delay(100);
    }
  } finally {
    tmux('kill-server');
  }
}

mkdirSync(directory);
const supervisor = spawn(process.execPath, [ph, 'run'], { cwd: directory, stdio: 'ignore' });
const over = new AbortController();
try {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(root, join(directory, 'node_modules/processhandler'));
  await running();
  const loads = [load('prices', 20_000, 17_000, over.signal), load('reports', 400_000, 40_000, over.signal)];
  const node = `'${process.execPath}' '${ph}'`;
  const top = await capture(`${node} top`, 17, /mail#1/, SECONDS);
  const status = await capture(`${node} status`, 20, /mail/, 1);
  over.abort();
  await Promise.all(loads);
  for (const [name, screen] of Object.entries({ top, status }))
    writeFileSync(join(root, `docs/images/${name}.svg`), ansiToSvg(screen, COLUMNS, `ph ${name}`));
} finally {
  over.abort();
  supervisor.kill();
  await once(supervisor, 'exit');
  rmSync(directory, { recursive: true });
}
