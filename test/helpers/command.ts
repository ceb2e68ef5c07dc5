/** A `ph` command with its own input and output, run to its end. */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { type Exit, phEntry } from './ph.ts';
import { isAlive, processesIn, until } from './processes.ts';
import type { Project } from './project.ts';

export interface CommandOptions {
  /** Written to stdin, which is then closed. Default: stdin stays open, for the test to write to. */
  readonly input?: string | Buffer;
  /** Descriptors in place of pipes. */
  readonly stdin?: number;
  readonly stdout?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** A command that ends in running what follows it: `['bash', '-c', 'ulimit -f 64; exec "$@"', 'bash']`. */
  readonly launcher?: readonly string[];
}

export interface RunningCommand {
  readonly child: ChildProcess;
  readonly exit: Promise<Exit>;
}

/** In the project's directory. When the test ends, no process is left there. */
export function startCommand(
  t: TestContext,
  { directory }: Project,
  args: readonly string[],
  { input, stdin, stdout, env, launcher = [] }: CommandOptions = {},
): RunningCommand {
  const [command, ...rest] = [...launcher, process.execPath, phEntry, ...args];
  const stdio: StdioOptions = [stdin ?? 'pipe', stdout ?? 'pipe', 'pipe'];
  const child = spawn(command as string, rest, {
    cwd: directory,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio,
  });
  cleanUp(t, async () => {
    if (isAlive(child.pid as number)) child.kill('SIGKILL');
    await until('nothing runs in the project any more', () => processesIn(directory).length === 0);
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', chunk => {
      output[name] += chunk;
    });
  }
  // It may end before it has read all.
  child.stdin?.on('error', () => {});
  if (input !== undefined) child.stdin?.end(input);
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }));
  return { child, exit };
}

export function runCommand(
  t: TestContext,
  project: Project,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Exit> {
  return startCommand(t, project, args, { input: '', ...options }).exit;
}
