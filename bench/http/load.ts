/** Load from autocannon, in a process of its own: what it needs of the CPU must not be the measuring program's. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface Load {
  readonly port: number;
  readonly connections: number;
  /** Seconds. */
  readonly duration: number;
  readonly path?: string;
  /** POSTed; absent: GET. */
  readonly body?: string;
  /** Requests per second; absent: as many as there can be. */
  readonly rate?: number;
}

export interface LoadResult {
  /** Answers with status 2xx per second. */
  readonly rate: number;
  /** Ms. */
  readonly p50: number;
  readonly p99: number;
  /** Requests without an answer, or with another status. */
  readonly failed: number;
}

const program = fileURLToPath(new URL('../modules/load.mjs', import.meta.url));

export async function load(options: Load): Promise<LoadResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(options)]);
  return JSON.parse(stdout) as LoadResult;
}
