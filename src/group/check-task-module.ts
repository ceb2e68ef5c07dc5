/** Loads a task module as a worker process would, without serving anything. */

import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import type { SectionConfig } from '../config/types.ts';
import type { Problem } from '../errors.ts';
import type { ExitReason } from './exit-reason.ts';
import { prepareLaunch } from './launch.ts';
import { WorkerProcess } from './worker-process.ts';

/** What is wrong where it is not the task module. */
const keys: ReadonlyMap<string, string> = new Map([
  ['PH_ERR_ACCOUNT', 'user'],
  ['PH_ERR_CONFIG_RPC_PUBLIC', 'bind'],
  ['PH_ERR_CONFIG_QUEUE_BIND', 'queue'],
  ['PH_ERR_CONFIG_QUEUE_PACKAGES', 'queue'],
]);

/** The problem that its workers would have at boot; undefined where there is none. */
export async function checkTaskModule(config: SectionConfig): Promise<Problem | undefined> {
  const launch = prepareLaunch(config, 1);
  const worker = new WorkerProcess({ config, launch, index: 1, generation: 1, mode: 'check' }, () =>
    performance.now(),
  );
  // What the module prints is not what was asked for.
  worker.stdout?.resume();
  let isReady = false;
  worker.on('ready', () => {
    isReady = true;
  });
  const limit = setTimeout(
    () => worker.kill({ cause: 'boot-timeout', limit: config.bootTimeout }),
    config.bootTimeout,
  );
  const [reason] = (await once(worker, 'exit')) as [ExitReason];
  clearTimeout(limit);
  if (isReady) return undefined;
  const message = worker.bootError?.details ?? reason.text;
  const code = worker.bootError?.code ?? 'PH_ERR_TASK_MODULE';
  const line = lineIn(config.task, message);
  return {
    file: config.task,
    ...(line !== undefined && { line }),
    section: config.name,
    key: keys.get(code) ?? 'task',
    code,
    message,
  };
}

/** The first line of the file that an error's text names. */
function lineIn(file: string, text: string): number | undefined {
  for (const name of [file, pathToFileURL(file).href]) {
    const at = text.indexOf(`${name}:`);
    const digits = at < 0 ? undefined : /^\d+/.exec(text.slice(at + name.length + 1))?.[0];
    if (digits !== undefined) return Number(digits);
  }
  return undefined;
}
