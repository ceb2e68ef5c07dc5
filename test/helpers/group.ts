/** A real group with real worker processes, in this process: what the master knows of them can be looked at. */

import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { loadConfiguration } from '../../dist/config/load.js';
import { Group } from '../../dist/group/group.js';
import type { WorkerProcess } from '../../dist/group/worker-process.js';
import { Listeners } from '../../dist/supervisor/listeners.js';
import { cleanUp } from './cleanup.ts';
import { isAlive, until } from './processes.ts';
import { createProject, iniText } from './project.ts';

// Its workers would have the loader of the tests too, and look for it in their own project.
process.execArgv = [];

export interface GroupUnderTest {
  readonly group: Group;
  readonly addresses: readonly string[];
}

/**
 * Of the section `app` with these keys; `prepare` gets the directory that it is in. When the test ends, no process of it
 * is left.
 */
export async function startGroup(
  t: TestContext,
  module: string,
  keys: Readonly<Record<string, string | number>> = {},
  attach: (worker: WorkerProcess) => void = () => {},
  prepare: (directory: string) => void = () => {},
): Promise<GroupUnderTest> {
  const app = { task: 'app.mjs', threads: 1, log_level: 'silent', ...keys };
  const project = createProject(t, { 'app.mjs': module, 'ph.ini': iniText({ app }) });
  const { directory } = project;
  prepare(directory);
  const configuration = loadConfiguration({ file: project.path('ph.ini'), directory, env: {} });
  const listeners = new Listeners();
  const prepared = await listeners.prepare(configuration);
  prepared.commit();
  const [config] = [...configuration.sections.values()];
  const sockets = prepared.of('app');
  const pids = new Set<number>();
  const group = new Group({
    config: config as NonNullable<typeof config>,
    sockets,
    instance: 1,
    logger: pino({ level: 'silent' }),
    now: () => performance.now(),
    attach: worker => {
      if (worker.pid !== undefined) pids.add(worker.pid);
      attach(worker);
      return { paused: false };
    },
  });
  const ticker = setInterval(() => group.reconcile(), 50);
  cleanUp(t, async () => {
    group.quit();
    await until('the group has stopped', () => group.state === 'stopped');
    clearInterval(ticker);
    listeners.close();
    await until('no process of it is left', () => [...pids].every(pid => !isAlive(pid)));
  });
  group.reconcile();
  const isReady = () => group.hasServed && group.workers.every(({ state }) => state === 'ready');
  await until('all workers are ready', isReady, 20_000);
  return { group, addresses: sockets.map(({ address }) => address) };
}
