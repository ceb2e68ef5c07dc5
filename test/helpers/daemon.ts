/** A real `ph run -d`. */

import type { TestContext } from 'node:test';
import { runPh } from './ph.ts';
import { isAlive, processesIn, until } from './processes.ts';
import type { Project } from './project.ts';

/** Returns its pid once it is ready. When the test ends it is gone, with all of its workers. */
export async function startDaemon(t: TestContext, project: Project): Promise<number> {
  const { code, stdout, stderr } = await runPh(t, ['run', '-d'], { cwd: project.directory });
  const pid = Number(/pid (\d+)/.exec(stdout)?.[1]);
  if (code !== 0 || !(pid > 0)) throw new Error(`no daemon (exit code ${code}): ${stdout}${stderr}`);
  t.after(async () => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until('the daemon and its workers are gone', () => processesIn(project.directory).length === 0);
  });
  return pid;
}
