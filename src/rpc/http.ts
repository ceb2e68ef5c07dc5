/** JSON-RPC over HTTP/1.1: calls by POST to `/`, and `GET /healthz`. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { SectionConfig } from '../config/types.ts';
import { Connection } from './connection.ts';
import type { Reply } from './exchange.ts';
import { type Refusal, readRefusal, refusals, refuse } from './refusals.ts';
import type { RpcService } from './service.ts';

export interface HttpOptions {
  readonly service: RpcService;
  readonly config: Pick<SectionConfig, 'rpcMaxBody' | 'rpcRequestTimeout' | 'rpcToken' | 'rpcPublic'>;
  readonly authorize: (request: IncomingMessage) => boolean | Promise<boolean>;
  /** What `authorize` has thrown. */
  readonly onError: (error: unknown) => void;
  /** A request has brought that many calls more than one. */
  readonly onFurtherCalls: (count: number) => void;
  /** A request is refused with this error of JSON-RPC, whatever it may call. */
  readonly onRefused: (code: number) => void;
  /** Aborted when the service is about to end. */
  readonly draining: AbortSignal;
}

/** How long a connection may stay without a request, ms: longer than the 60 s of common load balancers. */
const idleTimeout = 72_000;
/** After so long without a sign from a client whose call runs the system asks whether it is still there, ms. */
const probeAfter = 60_000;
const json = 'application/json';

export class HttpFront {
  readonly #options: HttpOptions;
  readonly #maxBody: number;
  readonly #isForLocalPrograms: boolean;
  readonly #connections = new WeakMap<Socket, Connection>();

  constructor(options: HttpOptions) {
    const { rpcMaxBody, rpcToken, rpcPublic } = options.config;
    this.#options = options;
    this.#maxBody = rpcMaxBody || Number.POSITIVE_INFINITY;
    this.#isForLocalPrograms = rpcToken === undefined && !rpcPublic;
  }

  /** One server, for one address. */
  createServer(): Server {
    const { rpcRequestTimeout } = this.#options.config;
    const server = createServer(
      {
        requestTimeout: rpcRequestTimeout,
        headersTimeout: rpcRequestTimeout,
        connectionsCheckingInterval: Math.max(50, Math.min(1000, rpcRequestTimeout / 4)),
        keepAliveTimeout: idleTimeout,
        keepAlive: true,
        keepAliveInitialDelay: probeAfter,
      },
      (request, response) => this.#onRequest(request, response),
    );
    return server.on('connection', socket => this.#connections.set(socket, new Connection(socket)));
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { url = '/', method } = request;
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    if (path === '/healthz' && (method === 'GET' || method === 'HEAD')) {
      this.#answerHealth(response);
      return;
    }
    const decide = (refusal: Refusal | undefined) => {
      if (refusal) this.#refuse(request, response, refusal);
      else this.#read(request, response);
    };
    const refusal = readRefusal(request, path, this.#maxBody) ?? this.#refuseOrigin(request);
    if (refusal) decide(refusal);
    else this.#authorize(request, decide);
  }

  #answerHealth(response: ServerResponse): void {
    const isDraining = this.#options.draining.aborted;
    const text = JSON.stringify({ status: isDraining ? 'draining' : 'ok' });
    response.writeHead(isDraining ? 503 : 200, ['Content-Type', json, 'Content-Length', String(text.length)]);
    response.end(text);
  }

  /** Where nothing but the address keeps strangers out, the pages that a browser on this machine shows are strangers too. */
  #refuseOrigin({ headers }: IncomingMessage): Refusal | undefined {
    return this.#isForLocalPrograms && headers.origin !== undefined ? refusals.webPage : undefined;
  }

  /** At once where nobody has to be asked first. */
  #authorize(request: IncomingMessage, decide: (refusal: Refusal | undefined) => void): void {
    const onError = (error: unknown) => {
      this.#options.onError(error);
      decide(refusals.failed);
    };
    const onAnswer = (granted: boolean) => decide(granted === true ? undefined : refusals.unauthorized);
    try {
      const granted = this.#options.authorize(request);
      if (typeof granted === 'boolean') onAnswer(granted);
      else Promise.resolve(granted).then(onAnswer, onError);
    } catch (error) {
      onError(error);
    }
  }

  #refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
    this.#options.onRefused(refusal.error.code);
    refuse(request, response, refusal);
  }

  #read(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      const before = length;
      length += chunk.length;
      if (length <= this.#maxBody) chunks.push(chunk);
      else if (before <= this.#maxBody) this.#refuse(request, response, refusals.tooLarge(this.#maxBody));
    });
    request.on('end', () => {
      if (length > this.#maxBody) return;
      const [first] = chunks;
      this.#answer(request, response, first && chunks.length === 1 ? first : Buffer.concat(chunks));
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const { socket } = request;
    const connection = this.#connections.get(socket) as Connection;
    if (connection.isFull) {
      this.#refuse(request, response, refusals.overloaded);
      return;
    }
    const exchange = this.#options.service.answer(body, request, reply => {
      write(response, reply);
      if (socket.writableLength > 0) this.#watchReader(socket, connection, response);
    });
    if (!exchange.isOver) connection.add(exchange);
    if (exchange.calls > 1) this.#options.onFurtherCalls(exchange.calls - 1);
  }

  /** A client that does not read its answer must not keep it, and the connection, for ever. */
  #watchReader(socket: Socket, connection: Connection, response: ServerResponse): void {
    const { rpcRequestTimeout } = this.#options.config;
    if (rpcRequestTimeout === 0) return;
    socket.setTimeout(rpcRequestTimeout);
    response.once('close', () => {
      // Node sets its own, for an idle connection, only where no other request is in hand.
      if (connection.open > 0) socket.setTimeout(0);
    });
  }
}

function write(response: ServerResponse, { text, isOverloaded }: Reply): void {
  const status = isOverloaded ? 503 : text === undefined ? 204 : 200;
  const headers: string[] = isOverloaded ? ['Retry-After', '1'] : [];
  if (text === undefined) {
    response.writeHead(status, headers).end();
    return;
  }
  const length = typeof text === 'string' ? Buffer.byteLength(text) : text.length;
  headers.push('Content-Type', json, 'Content-Length', String(length));
  response.writeHead(status, headers);
  // A text goes out in one piece with its head. As Latin-1 it is the bytes that it was made of.
  if (typeof text === 'string') response.end(text);
  else response.end(text.toString('latin1'), 'latin1');
}
