/** How many cores this process may use. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const ROOT = '/sys/fs/cgroup';

/** The cores of the machine within the CPU affinity and the cgroup's quota (rounded up); at least 1. */
// `os.availableParallelism()` of Node 20 knows no quota.
export function availableCores(
  read: (file: string) => string | undefined = readText,
  parallelism: number = availableParallelism(),
): number {
  const quotas = [...quotasV2(read), ...quotasV1(read)].filter(quota => quota !== undefined);
  return Math.max(1, Math.min(parallelism, ...quotas.map(Math.ceil)));
}

/** Cores that a `cpu.max` of cgroup v2 grants, such as `150000 100000`; undefined: no limit. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period = '100000'] = text.trim().split(/\s+/);
  return cores(quota, period);
}

/** Cores that `cpu.cfs_quota_us` and `cpu.cfs_period_us` of cgroup v1 grant; undefined: no limit. */
export function parseCfsQuota(quota: string, period: string): number | undefined {
  return cores(quota.trim(), period.trim());
}

/** The directories of `path` and all its parents below `root`: the narrowest of their limits counts. */
export function cgroupDirectories(root: string, path: string): string[] {
  const parts = path.split('/').filter(part => part !== '' && part !== '..');
  return [...parts.keys(), parts.length].map(count => [root, ...parts.slice(0, count)].join('/'));
}

/** The path of the cgroup in `/proc/self/cgroup`; `controller` is empty for v2. */
export function cgroupPath(text: string, controller: string): string {
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path !== undefined && controllers?.split(',').includes(controller)) return path;
  }
  return '/';
}

function quotasV2(read: (file: string) => string | undefined): (number | undefined)[] {
  const path = cgroupPath(read('/proc/self/cgroup') ?? '', '');
  return cgroupDirectories(ROOT, path).map(directory => parseCpuMax(read(`${directory}/cpu.max`) ?? ''));
}

function quotasV1(read: (file: string) => string | undefined): (number | undefined)[] {
  const path = cgroupPath(read('/proc/self/cgroup') ?? '', 'cpu');
  return cgroupDirectories(`${ROOT}/cpu`, path).map(directory =>
    parseCfsQuota(read(`${directory}/cpu.cfs_quota_us`) ?? '', read(`${directory}/cpu.cfs_period_us`) ?? ''),
  );
}

function cores(quota: string | undefined, period: string): number | undefined {
  const value = Number(quota) / Number(period);
  return quota !== '' && Number.isFinite(value) && value > 0 ? value : undefined;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
