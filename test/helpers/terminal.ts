/** A real terminal with a screen: tmux with a server of its own. */

import { execFileSync, spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { isAlive, until } from './processes.ts';
import type { Project } from './project.ts';

/** What a test says that cannot run without it; false: it can. */
export function missing(program: string): string | false {
  const { status } = spawnSync('sh', ['-c', `command -v ${program}`]);
  return status === 0 ? false : `${program} is not installed`;
}

export interface Terminal {
  /** Types the text, then the keys by the names that tmux has for them: `Enter`, `Tab`, `C-c`. */
  type(text: string, ...keys: readonly string[]): void;
  /** What is on the screen, without the empty rest of it. */
  screen(): string;
  /** Resolves when the screen shows it, with the whole screen. */
  shows(pattern: RegExp): Promise<string>;
}

let terminals = 0;

/** Runs a shell command in the project's directory; what it leaves on the screen stays there. */
export function startTerminal(
  t: TestContext,
  project: Project,
  command: string,
  env: NodeJS.ProcessEnv = {},
): Terminal {
  const server = `ph-test-${process.pid}-${++terminals}`;
  const configuration = project.write('tmux.conf', 'set -g remain-on-exit on\nset -s escape-time 0\n');
  const tmux = (...args: readonly string[]) =>
    execFileSync('tmux', ['-L', server, '-f', configuration, ...args], {
      cwd: project.directory,
      env: { ...process.env, NO_COLOR: '', HOME: project.directory, HISTFILE: '', ...env },
      encoding: 'utf8',
    });
  tmux('new-session', '-d', '-x', '100', '-y', '30', command);
  const pids = tmux('display-message', '-p', '#{pid} #{pane_pid}').trim().split(' ').map(Number);
  cleanUp(t, async () => {
    tmux('kill-server');
    await until('the terminal is gone', () => !pids.some(isAlive));
  });
  // With the history: when the command ends, tmux pushes a line out for its own message.
  const screen = () => tmux('capture-pane', '-p', '-S', '-').trimEnd();
  return {
    type(text, ...keys) {
      if (text !== '') tmux('send-keys', '-l', text);
      if (keys.length > 0) tmux('send-keys', ...keys);
    },
    screen,
    async shows(pattern) {
      let last = '';
      const isShown = () => {
        last = screen();
        return pattern.test(last);
      };
      await until(`the terminal shows ${pattern}`, isShown, 20_000).catch(error => {
        throw new Error(`${error.message}; it shows:\n${last}`);
      });
      return last;
    },
  };
}
