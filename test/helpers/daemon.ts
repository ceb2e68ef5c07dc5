/** A real `ph run -d`. */

import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { type PhOptions, runPh } from './ph.ts';
import { isAlive, processesIn, until } from './processes.ts';
import type { Project } from './project.ts';

export interface DaemonOptions extends Partial<PhOptions> {
  /** Beside `run -d`. */
  readonly args?: readonly string[];
}

/** Returns its pid once it is ready. When the test ends it is gone, with all of its workers. */
export async function startDaemon(
  t: TestContext,
  project: Project,
  { args = [], ...options }: DaemonOptions = {},
): Promise<number> {
  const { code, stdout, stderr } = await runPh(t, ['run', '-d', ...args], {
    cwd: project.directory,
    ...options,
  });
  const pid = Number(/pid (\d+)/.exec(stdout)?.[1]);
  if (code !== 0 || !(pid > 0)) throw new Error(`no daemon (exit code ${code}): ${stdout}${stderr}`);
  cleanUp(t, async () => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until('the daemon and its workers are gone', () => processesIn(project.directory).length === 0);
  });
  return pid;
}
