/** Serves the control socket: HTTP/1.1 with JSON, for `ph`, for `connect()` and for `curl --unix-socket`. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { ControlError, ExitCode, ProcessHandlerError } from '../errors.ts';
import { type Handlers, type RouteName, routes } from './protocol.ts';

/** Bytes of a request; a payload of `submit` is the largest thing in one. */
const longestBody = 16 * 1024 * 1024;
/** How long a request may take to come in, ms. */
const requestLimit = 30_000;
/** How long answers that are on their way may take when the server closes, ms. */
const closeLimit = 1000;

type AnyHandler = (request: unknown, signal: AbortSignal) => Promise<object>;

export class ControlServer {
  readonly #handlers: Handlers;
  readonly #server: Server;
  readonly #pending = new Set<Promise<void>>();

  constructor(handlers: Handlers) {
    this.#handlers = handlers;
    this.#server = createServer(
      { requestTimeout: requestLimit, headersTimeout: requestLimit },
      (request, response) => {
        const answered = this.#answer(request, response);
        this.#pending.add(answered);
        void answered.finally(() => this.#pending.delete(answered));
      },
    );
    this.#server.on('error', () => {});
  }

  /** Serves a connection that came in paused. */
  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
    socket.resume();
  }

  /** Resolves when answers that are on their way have gone out. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>(resolve => {
      timer = setTimeout(resolve, closeLimit);
    });
    await Promise.race([Promise.all(this.#pending), limit]);
    clearTimeout(timer);
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.on('error', () => {});
    try {
      const { status, body } = await this.#respond(request, gone.signal);
      await send(response, status, body);
    } catch (error) {
      await send(response, statusOf(error), failureOf(error));
    }
  }

  async #respond(request: IncomingMessage, signal: AbortSignal): Promise<{ status: number; body: object }> {
    const { pathname, searchParams } = urlOf(request);
    if (pathname === '/v1/schema' && request.method === 'GET') return { status: 200, body: schemas() };
    const name = routeAt(pathname);
    const { method, request: schema } = routes[name];
    if (request.method !== method) {
      throw new ControlError('PH_ERR_CONTROL_METHOD', `${pathname} takes ${method}, not ${request.method}`);
    }
    const fields = method === 'GET' ? Object.fromEntries(searchParams) : await readBody(request);
    const parsed = schema.safeParse(fields);
    if (!parsed.success) {
      const message = parsed.error.issues
        .map(issue => `${issue.path.join('.') || 'request'}: ${issue.message}`)
        .join('; ');
      throw new ControlError('PH_ERR_CONTROL_REQUEST', message);
    }
    const handle = this.#handlers[name].bind(this.#handlers) as AnyHandler;
    const answer = handle(parsed.data, signal);
    if ('wait' in parsed.data && !parsed.data.wait) {
      // What is refused at once is told; what becomes of the rest, the log tells.
      await Promise.race([answer, nextTurn()]);
      return { status: 202, body: { accepted: true } };
    }
    return { status: 200, body: await answer };
  }
}

/** Not every target that a request may have can be read. */
function urlOf({ url = '/' }: IncomingMessage): URL {
  try {
    return new URL(url, 'http://ph');
  } catch {
    throw new ControlError('PH_ERR_CONTROL_REQUEST', `${url} is no path`);
  }
}

function routeAt(path: string): RouteName {
  const names = Object.keys(routes) as RouteName[];
  const name = names.find(candidate => routes[candidate].path === path);
  if (name) return name;
  const paths = names.map(candidate => routes[candidate].path);
  throw new ControlError('PH_ERR_CONTROL_PATH', `no such path; there are ${paths.join(', ')} and /v1/schema`);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > longestBody) request.destroy(tooLarge());
  });
  if (Number(request.headers['content-length'] ?? 0) > longestBody) throw tooLarge();
  const body = await text(request);
  if (body === '') return {};
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new ControlError('PH_ERR_CONTROL_REQUEST', `the request is not JSON: ${(error as Error).message}`);
  }
}

function tooLarge(): ControlError {
  return new ControlError('PH_ERR_CONTROL_SIZE', `a request takes ${longestBody} bytes at most`);
}

/** Resolves when it has gone out, or cannot any more. */
function send(response: ServerResponse, status: number, body: object): Promise<void> {
  return new Promise(resolve => {
    if (response.closed) return resolve();
    response.on('close', resolve);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`, resolve);
  });
}

const statuses: Readonly<Record<string, number>> = {
  PH_ERR_CONTROL_REQUEST: 400,
  PH_ERR_CONTROL_PATH: 404,
  PH_ERR_NO_SECTION: 404,
  PH_ERR_CONTROL_METHOD: 405,
  PH_ERR_BUSY: 409,
  PH_ERR_CONTROL_SIZE: 413,
  PH_ERR_QUEUE_FULL: 503,
  PH_ERR_STOPPING: 503,
};

function statusOf(error: unknown): number {
  return error instanceof ProcessHandlerError ? (statuses[error.code] ?? 422) : 500;
}

function failureOf(error: unknown): object {
  const { message, stack, details } = error as Error & { details?: string };
  if (error instanceof ProcessHandlerError) {
    return { error: { code: error.code, message, details, exitCode: error.exitStatus } };
  }
  return { error: { code: 'PH_ERR_INTERNAL', message, details: stack, exitCode: ExitCode.failed } };
}

/** Of each request and answer, as JSON Schema. */
function schemas(): object {
  const described = Object.entries(routes).map(([name, { method, path, request, answer }]) => [
    name,
    {
      method,
      path,
      request: z.toJSONSchema(request, { io: 'input' }),
      answer: z.toJSONSchema(answer, { io: 'input' }),
    },
  ]);
  return Object.fromEntries(described);
}
