/** How a worker process comes into being, and the first thing that it is told. */

import { type ChildProcess, spawn } from 'node:child_process';
import {
  type BootMessage,
  type BootMode,
  firstListenerFd,
  type Listener,
  type ThreadOptions,
} from '../channel/control.ts';
import type { SectionConfig } from '../config/types.ts';
import { type Launch, workerEntry } from './launch.ts';

/** A listening socket that this process holds, under its own `fd`. */
export interface ListeningSocket extends Pick<Listener, 'fd' | 'address'> {
  /** For a worker that drains: others accept from it, or nobody of ours does and it ends, or somebody else may hold it. */
  readonly end: 'kept' | 'sealed' | 'left';
}

export interface WorkerSpec {
  readonly config: SectionConfig;
  readonly launch: Launch;
  readonly index: number;
  readonly generation: number;
  readonly mode: BootMode;
  /** Inherited by it, in this order. */
  readonly sockets?: readonly ListeningSocket[];
  readonly threadOptions?: ThreadOptions | undefined;
}

/** Throws, or returns a child without a pid, where the system refuses. */
export function spawnWorker({ config, launch, sockets = [] }: WorkerSpec): ChildProcess {
  return spawn(process.execPath, [...launch.execArgv, workerEntry], {
    cwd: config.basePath,
    env: launch.env,
    // A group of its own: a terminal's Ctrl-C does not reach it, and what it starts can be ended with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe', 'pipe', ...sockets.map(({ fd }) => fd)],
    // What a pool gives to its threads may be any value that can be cloned.
    serialization: 'advanced',
  });
}

/** Rejects where the task module cannot be compiled. */
export async function bootMessage(spec: WorkerSpec): Promise<BootMessage> {
  const { mode, config, launch, index, generation, sockets = [], threadOptions = {} } = spec;
  const { task, backlog } = config;
  const entry = launch.loader === 'compiled' ? await compile(task) : task;
  const module = { task, entry, loader: launch.loader };
  const listeners = sockets.map(({ address }, at) => ({ fd: firstListenerFd + at, address, backlog }));
  return { type: 'boot', mode, config, module, index, generation, threadOptions, listeners };
}

/** The compiler is loaded only where it is needed: most workers start without it. */
async function compile(task: string): Promise<string> {
  const { compileTaskModule } = await import('./compile.ts');
  return compileTaskModule(task);
}
