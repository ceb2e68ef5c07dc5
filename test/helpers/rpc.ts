/** A JSON-RPC service of `ph`, over TCP and a Unix socket. */

import http from 'node:http';
import type { TestContext } from 'node:test';
import { addressesOf } from './clients.ts';
import { type Ph, startPh } from './ph.ts';
import { createProject, iniText, type Project } from './project.ts';

/** The methods of the specification's examples, and some that fail. */
export const methods = `
import { setTimeout as delay } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';

export const subtract = payload =>
  Array.isArray(payload) ? payload[0] - payload[1] : payload.minuend - payload.subtrahend;
export const update = () => {};
export const foobar = () => {};
export const sum = numbers => numbers.reduce((a, b) => a + b, 0);
export const notify_hello = () => {};
export const get_data = () => ['hello', 5];
export const echo = value => value;
export const where = async ms => { await delay(ms); return threadId; };
export const busy = ms => { for (const end = performance.now() + ms; performance.now() < end; ); return ms; };
export const loop = () => { for (;;); };
export const crash = () => process.kill(process.pid, 'SIGKILL');
export const fail = data => { throw Object.assign(new RangeError('out of reach'), data); };
export const unwritable = () => 1n;
/** Ends when its caller goes away. */
let aborted = 0;
export const heed = async (_, { signal }) => {
  await new Promise(resolve => signal.addEventListener('abort', resolve));
  aborted++;
};
export const countAborted = () => aborted;
`;

export interface RpcService {
  readonly ph: Ph;
  readonly project: Project;
  readonly url: string;
  readonly socketPath: string;
}

export async function startRpc(
  t: TestContext,
  keys: Readonly<Record<string, string | number>> = {},
  module = methods,
): Promise<RpcService> {
  const app = {
    task: 'app.mjs',
    threads: 2,
    bind: '127.0.0.1:0, unix:rpc.sock',
    abort_grace: '50ms',
    ...keys,
  };
  const project = createProject(t, { 'app.mjs': module, 'ph.ini': iniText({ app }) });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const [address] = await addressesOf(ph);
  return { ph, project, url: `http://${address}/`, socketPath: project.path('rpc.sock') };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where the body is empty. */
  readonly body: unknown;
}

export async function post(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

/** The result or error of one call. */
export async function call(url: string, method: string, params?: unknown): Promise<Record<string, unknown>> {
  const { body } = await post(url, JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }));
  return body as Record<string, unknown>;
}

/** Sends a call and goes away once its request is out. */
export function abandon(url: string, method: string): Promise<void> {
  return new Promise(resolve => {
    const request = http.request(url, { method: 'POST', headers: { 'Content-Type': 'application/json' } });
    request.on('error', () => resolve()).on('close', () => resolve());
    request.end(JSON.stringify({ jsonrpc: '2.0', method, id: 1 }), () =>
      setTimeout(() => request.destroy(), 50),
    );
  });
}
