/** Checks of the file system: what a section names has to be there before anything is started. */

import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Problem } from '../errors.ts';
import type { Address } from './kinds/places.ts';
import { problemAt, type TypedSection } from './section.ts';

type Check = [key: string, code: string, problem: string | undefined];

/** The most bytes that Linux takes for the path of a Unix socket. */
const longestSocketPath = 107;

export function checkPaths({ resolved, config }: TypedSection): Problem[] {
  const { task, pidfile, logFile, basePath, envFile, bind = [], metricsBind } = config;
  const checks: Check[] = [
    ['task', 'PH_ERR_CONFIG_TASK_MISSING', task && readableFile('the task module', task)],
    [
      'pidfile',
      'PH_ERR_CONFIG_PATH',
      pidfile && (isDirectory(pidfile) ? `${pidfile} is a directory` : writableParent(pidfile)),
    ],
    ['log_file', 'PH_ERR_CONFIG_PATH', logFile && appendableFile(logFile)],
    ['base_path', 'PH_ERR_CONFIG_PATH', basePath && directory(basePath)],
    ['env_file', 'PH_ERR_CONFIG_PATH', envFile && readableFile('the env_file', envFile)],
    ['metrics_bind', 'PH_ERR_CONFIG_PATH', metricsBind && socketPlace(metricsBind)],
    ...bind.map(address => ['bind', 'PH_ERR_CONFIG_PATH', socketPlace(address)] satisfies Check),
  ];
  return checks.flatMap(([key, code, problem]) => {
    const origin = resolved.values.get(key)?.origin;
    return problem ? problemAt(resolved.name, key, origin, code, problem) : [];
  });
}

function socketPlace(address: Address): string | undefined {
  if (address.type !== 'unix') return undefined;
  const { path } = address;
  const length = Buffer.byteLength(path);
  if (length > longestSocketPath) {
    return `${path} is too long for a socket: ${length} bytes, and ${longestSocketPath} is the most`;
  }
  const stats = statOf(path);
  if (stats && !stats.isSocket()) return `${path} is there, and is no socket`;
  return writableParent(path);
}

function readableFile(what: string, path: string): string | undefined {
  const stats = statOf(path);
  if (stats === undefined) return `${what} ${path} does not exist`;
  if (stats.isDirectory()) return `${what} ${path} is a directory`;
  return allowed(path, constants.R_OK) ? undefined : `${what} ${path} cannot be read`;
}

function appendableFile(path: string): string | undefined {
  const stats = statOf(path);
  // The directory of an existing file such as /dev/null need not be writable.
  if (stats === undefined) return writableParent(path);
  if (stats.isDirectory()) return `${path} is a directory`;
  return allowed(path, constants.W_OK) ? undefined : `${path} cannot be written`;
}

function writableParent(path: string): string | undefined {
  const parent = dirname(path);
  return (
    directory(parent) ?? (allowed(parent, constants.W_OK) ? undefined : `${parent} cannot be written to`)
  );
}

function directory(path: string): string | undefined {
  const stats = statOf(path);
  if (stats === undefined) return `the directory ${path} does not exist`;
  return stats.isDirectory() ? undefined : `${path} is not a directory`;
}

function isDirectory(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function allowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
