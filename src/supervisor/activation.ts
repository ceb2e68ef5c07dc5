/** Sockets that a service manager has bound: systemd's `LISTEN_FDS`. */

import { readFileSync, readlinkSync } from 'node:fs';

const firstFd = 3;

/**
 * The fds that are meant for this process, or for the one that has started it as its daemon. The variables are taken
 * off in any case, so that nobody inherits them.
 */
export function takeActivated(env: NodeJS.ProcessEnv, isDaemon: boolean): number[] {
  const fds = activatedFds(env, isDaemon ? process.ppid : process.pid);
  for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES']) delete env[name];
  return fds;
}

/** Those that the variables promise to `pid`. */
export function activatedFds({ LISTEN_PID, LISTEN_FDS = '' }: NodeJS.ProcessEnv, pid: number): number[] {
  if (LISTEN_PID !== String(pid) || !/^\d{1,4}$/.test(LISTEN_FDS)) return [];
  return Array.from({ length: Number(LISTEN_FDS) }, (_, at) => firstFd + at);
}

/** The path that a Unix socket is bound to; undefined where it has none. */
export function unixPathOf(fd: number): string | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    // Num RefCount Protocol Flags Type St Inode Path
    const line = readFileSync('/proc/self/net/unix', 'utf8')
      .split('\n')
      .find(text => text.trim().split(/\s+/)[6] === inode);
    return line === undefined ? undefined : /^(?:\S+\s+){6}\d+ (\/.*)$/.exec(line.trim())?.[1];
  } catch {
    return undefined;
  }
}
