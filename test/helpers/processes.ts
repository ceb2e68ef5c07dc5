/** What the kernel knows of a process: the only honest witness of who lives. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Runs and is not a zombie that nobody has reaped yet. */
export function isAlive(pid: number): boolean {
  const state = stat(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

export function parentOf(pid: number): number | undefined {
  return stat(pid)?.parent;
}

/** The session that it belongs to: its terminal, where it has one. */
export function sessionOf(pid: number): number | undefined {
  const session = statFields(pid)?.[3];
  return session === undefined ? undefined : Number(session);
}

/** Processes that live and whose parent is `pid`. */
export function childrenOf(pid: number): number[] {
  return allProcesses().filter(candidate => parentOf(candidate) === pid && isAlive(candidate));
}

/** Children that have ended and that nobody has reaped yet. */
export function zombiesOf(pid: number): number[] {
  return allProcesses().filter(candidate => parentOf(candidate) === pid && !isAlive(candidate));
}

/** Processes that live and have their working directory in there: workers too that were never ready. */
export function processesIn(directory: string): number[] {
  return allProcesses().filter(pid => workingDirectoryOf(pid)?.startsWith(directory) && isAlive(pid));
}

/** The title that `ps` shows. */
export function titleOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
}

/** Resident memory in bytes. */
export function rssOf(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) * 1024;
}

export function openFilesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Milliseconds of CPU time that a process has used. */
export function cpuTimeOf(pid: number): number {
  const fields = statFields(pid) ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** For what gives no event: polls until `condition` holds. Rejects after `limit` ms, saying what it waited for. */
export async function until(what: string, condition: () => boolean, limit = 10_000): Promise<void> {
  const deadline = performance.now() + limit;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${limit} ms in vain until ${what}`);
    await delay(10);
  }
}

function allProcesses(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number);
}

function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

function stat(pid: number): { state: string; parent: number } | undefined {
  const fields = statFields(pid);
  return fields && { state: fields[0] as string, parent: Number(fields[1]) };
}

/** Fields of /proc/PID/stat from the state on; the name before it may hold anything. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
