/** How a worker process is started: Node's flags and the environment it gets. */

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../cache-directory.ts';
import type { TypescriptLoader } from '../channel/control.ts';
import { workerEnvironment } from '../config/environment.ts';
import type { SectionConfig } from '../config/types.ts';

export const workerEntry = fileURLToPath(new URL('../worker/main.js', import.meta.url));

export interface Launch {
  readonly execArgv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** What turns the task module into JavaScript; undefined where it is that already. */
  readonly loader: TypescriptLoader | undefined;
}

/** Throws a `ConfigError` where `env_file` cannot be read. */
export function prepareLaunch(config: SectionConfig, instance: number, masterEnv = process.env): Launch {
  const env: NodeJS.ProcessEnv = {
    ...masterEnv,
    ...workerEnvironment(config),
    PH_INSTANCE: String(instance),
  };
  const execArgv = process.execArgv.filter(flag => !isInspectorFlag(flag));
  if (env.NODE_OPTIONS)
    env.NODE_OPTIONS = env.NODE_OPTIONS.split(' ')
      .filter(flag => !isInspectorFlag(flag))
      .join(' ');
  const loader = typescriptLoader(config);
  // Compiling, and stripping types, takes time that a second start need not spend again; Node 20 knows no such cache.
  env.NODE_COMPILE_CACHE ??= cacheDirectory();
  return { execArgv, env, loader };
}

/** What turns a module into JavaScript; undefined where it is that already. */
export function typescriptLoader({
  task,
  ts,
}: Pick<SectionConfig, 'task' | 'ts'>): TypescriptLoader | undefined {
  if (ts !== 'auto') return ts;
  if (!['.ts', '.mts', '.cts', '.tsx'].includes(extname(task))) return undefined;
  // Node strips types, and nothing else.
  return isTypescriptNative() && extname(task) !== '.tsx' ? 'native' : 'compiled';
}

/** Node 22.18 and later strip types by themselves. */
function isTypescriptNative(): boolean {
  return Boolean((process.features as { typescript?: string | false }).typescript);
}

// Two processes cannot listen on one inspector port, and a debugger of the master is not meant for its workers.
function isInspectorFlag(flag: string): boolean {
  return /^--(inspect|debug)(-|=|$)/.test(flag);
}
