/** `ph run -d`: the same command again in the background, and its word that it is ready. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { DaemonError, LogFileError } from '../errors.ts';
import { reasonOf } from '../log/target.ts';
import type { StartOutcome } from './parent.ts';

/** Set in the background process, and nowhere else. */
const daemonVariable = 'PH_DAEMON';

// A FIFO without a reader must not keep the caller waiting.
const append = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

export type DaemonOutcome = StartOutcome & { readonly pid: number };

/** True in the background process. The mark is taken off, so that workers do not inherit it. */
export function takeDaemonMark(): boolean {
  const isDaemon = process.env[daemonVariable] !== undefined;
  delete process.env[daemonVariable];
  return isDaemon;
}

/**
 * Starts this command again, detached from the terminal, and waits for its report. `logFile` gets what even a dying
 * Node prints, and `fds` are passed on under the same numbers. Throws a `LogFileError`, and a `DaemonError` where it
 * ends without a report.
 */
export async function startDaemon(logFile: string, fds: readonly number[]): Promise<DaemonOutcome> {
  const log = openLog(logFile);
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    env: { ...process.env, [daemonVariable]: '1' },
    stdio: ['ignore', log, log, ...passedOn(fds), 'ipc'],
  });
  closeSync(log);
  const [report] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code, signal]) => {
      throw new DaemonError(
        `the daemon ended before it was ready (${signal ?? `exit code ${code}`}); see ${logFile}`,
      );
    }),
  ])) as [StartOutcome];
  if (report.type === 'failed') await once(child, 'exit');
  else child.disconnect();
  child.unref();
  return { ...report, pid: child.pid as number };
}

/** What a child's stdio has from its fd 3 on. */
function passedOn(fds: readonly number[]): ('ignore' | number)[] {
  const open = new Set(fds.filter(isOpen));
  return Array.from({ length: Math.max(2, ...open) - 2 }, (_, at) => (open.has(at + 3) ? at + 3 : 'ignore'));
}

function isOpen(fd: number): boolean {
  try {
    return fstatSync(fd) !== undefined;
  } catch {
    return false;
  }
}

/** For what a process prints by itself. Throws a `LogFileError`. */
export function openLog(path: string): number {
  try {
    return openSync(path, append);
  } catch (error) {
    throw new LogFileError(path, reasonOf(error), { cause: error });
  }
}
