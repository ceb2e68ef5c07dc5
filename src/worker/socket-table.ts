/** What Linux tells of sockets in /proc: who is connected to a port or waits there, and which processes hold one. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export const State = {
  listening: '0A',
  established: '01',
  /** The other side believes that it is connected, or soon will. */
  halfOpen: '03',
} as const;

export interface SocketRow {
  readonly port: number;
  /** Address and port, in hexadecimal digits. */
  readonly remote: string;
  readonly remotePort: number;
  readonly state: string;
  /** Of a listening socket: connections that wait to be accepted. */
  readonly queued: number;
  readonly inode: string | undefined;
}

/** The rows of /proc/net/tcp with that local port. */
export function socketsAt(port: number): SocketRow[] {
  return ['tcp', 'tcp6'].flatMap(table => rowsOf(table, port));
}

/** A row is `sl local remote state tx:rx … inode`. */
function rowsOf(table: string, port: number): SocketRow[] {
  let text: string;
  try {
    text = readFileSync(`/proc/self/net/${table}`, 'latin1');
  } catch {
    return []; // a kernel without IPv6
  }
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return text.split('\n').flatMap(line => {
    if (!line.includes(suffix)) return [];
    const [, local, remote = '', state = '', queues = '', , , , , inode] = line.trim().split(/\s+/);
    if (!local?.endsWith(suffix)) return [];
    return { port, remote, remotePort: afterColon(remote), state, queued: afterColon(queues), inode };
  });
}

/** The second of two hexadecimal numbers. */
function afterColon(pair: string): number {
  return Number.parseInt(pair.split(':')[1] ?? '', 16);
}

/** Of a socket of this process; undefined where there is none. */
export function inodeOf(fd: number): string | undefined {
  return /\d+/.exec(socketOf(process.pid, fd) ?? '')?.[0];
}

/** Other processes of the supervisor that hold the same socket, which has the same number in all workers of a section. */
export function othersHolding(fd: number): number[] {
  const own = socketOf(process.pid, fd);
  return siblings().filter(pid => socketOf(pid, fd) === own);
}

/** The other processes of the supervisor. */
function siblings(): number[] {
  const tasks = `/proc/${process.ppid}/task`;
  try {
    const lists = readdirSync(tasks).map(task => readFileSync(`${tasks}/${task}/children`, 'latin1'));
    const pids = lists.join(' ').split(' ').filter(Boolean).map(Number);
    return pids.filter(pid => pid !== process.pid);
  } catch {
    return []; // of a kernel that does not list them
  }
}

/** Undefined where that process has closed it. */
function socketOf(pid: number, fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/** How many handshakes of this machine's network namespace were answered by SYN cookie; undefined where nobody counts them. */
export function cookiesSent(): string | undefined {
  try {
    const [names, values] = readFileSync('/proc/self/net/netstat', 'latin1')
      .split('\n')
      .map(line => line.split(' ')) as [string[], string[]];
    return values[names.indexOf('SyncookiesSent')];
  } catch {
    return undefined;
  }
}
