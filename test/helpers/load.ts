/** Load from autocannon, for as long as somebody wants it. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('autocannon.mjs', import.meta.url));

export interface LoadOptions {
  readonly url: string;
  readonly socketPath?: string;
  readonly connections: number;
  /** `close`: a connection for each request. */
  readonly connection: 'keep-alive' | 'close';
  readonly method?: 'GET' | 'POST';
  readonly body?: string;
}

export interface LoadResult {
  /** With a status of 2xx. */
  readonly answered: number;
  readonly non2xx: number;
  readonly timeouts: number;
  /** Connections that ended between a request and its answer. */
  readonly cut: number;
  /** Refused, reset and others, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds, with the time to connect. */
  readonly latency: Readonly<Record<'p50' | 'p99' | 'max', number>>;
}

export interface Load {
  /** What has happened since it began, or since this was last called. */
  lap(): Promise<LoadResult>;
  /** Ends it in the middle of whatever it does. */
  end(): void;
}

export function startLoad({ connection, ...options }: LoadOptions): Load {
  const child = fork(entry, [JSON.stringify({ ...options, headers: { connection } })], { execArgv: [] });
  return {
    async lap() {
      child.send('lap');
      const [result] = await once(child, 'message');
      return result;
    },
    end: () => child.kill('SIGKILL'),
  };
}

/** Requests that got no answer, or the wrong one. */
export function failuresOf({ non2xx, timeouts, cut, errors }: LoadResult): number {
  return non2xx + timeouts + cut + Object.values(errors).reduce((sum, count) => sum + count, 0);
}
