/**
 * Metrics, health and status over HTTP, in the supervisor's own process: whatever a client does, it costs little time and
 * memory, and ends soon.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Status } from '../control/protocol.ts';
import { readinessOf } from './readiness.ts';
import { type MeasuredGroup, type ReloadCounts, snapshotOf } from './snapshot.ts';

export interface MetricsServerOptions {
  readonly logger: Logger;
  readonly status: () => Status;
  readonly groups: () => Iterable<MeasuredGroup>;
  readonly reloads: () => ReloadCounts;
}

/** A listening socket; whoever holds it closes it, and the server with it. */
export interface ServedSocket {
  readonly address: string;
  serve(server: Server): void;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** How long a client may take for its request, and how long it may stop reading the answer, ms. */
const requestLimit = 3000;
const idleLimit = 10_000;
/** Of more connections than that, the one that has been open for the longest gives way. */
const mostConnections = 64;

const text = 'text/plain; charset=utf-8';

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #pages: Readonly<Record<string, () => Page | Promise<Page>>>;
  readonly #connections = new Set<Socket>();
  #socket: ServedSocket | undefined;
  /** Under way, and for all who ask meanwhile. */
  #scrape: Promise<Page> | undefined;
  #successor: number | undefined;
  #trouble = '';

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    const { status, groups } = options;
    this.#pages = {
      '/': () => page(text, `${Object.keys(this.#pages).join('\n')}\n`),
      '/metrics': () => this.#metrics(),
      // Whoever answers lives.
      '/livez': () => page(text, 'ok\n'),
      '/readyz': () => {
        const readiness = readinessOf(status(), groups(), this.#successor);
        return json(readiness, readiness.ready ? 200 : 503);
      },
      '/status': () => json(status()),
    };
  }

  /** Serves on that socket from now on; undefined: on none. */
  serve(socket: ServedSocket | undefined): void {
    if (socket === this.#socket) return;
    this.#socket = socket;
    if (!socket) return;
    const { logger } = this.#options;
    // Before anybody waits for it, or puts another version in its place. A failure shows at the first scrape.
    loadExposition().catch(() => {});
    const server = http.createServer(
      {
        headersTimeout: requestLimit,
        requestTimeout: requestLimit,
        connectionsCheckingInterval: 1000,
        maxHeaderSize: 16_384,
      },
      (request, response) => void this.#answer(request, response),
    );
    server.setTimeout(idleLimit);
    server.on('connection', connection => this.#onConnection(connection));
    server.on('error', error => logger.error(`metrics on ${socket.address}: ${error.message}`));
    socket.serve(server);
    logger.info(`metrics on ${socket.address}`);
  }

  /** The supervisor of that pid is in charge. Whoever has connected to this one before still asks it. */
  handOver(pid: number): void {
    this.#successor = pid;
  }

  /** Cuts off whoever is still connected. */
  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  #onConnection(connection: Socket): void {
    this.#connections.add(connection);
    connection.on('close', () => this.#connections.delete(connection));
    if (this.#connections.size <= mostConnections) return;
    const [oldest] = this.#connections;
    oldest?.destroy();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that is gone.
    response.on('error', () => {});
    try {
      send(response, await this.#pageFor(request));
    } catch (error) {
      this.#fails(error as Error);
      send(response, page(text, 'failed; the log of the supervisor says why\n', 500));
    }
  }

  async #pageFor({ method, url = '/' }: IncomingMessage): Promise<Page> {
    if (method !== 'GET' && method !== 'HEAD') return page(text, 'only GET and HEAD\n', 405);
    const [path = '/'] = url.split('?', 1);
    const make = Object.hasOwn(this.#pages, path) ? this.#pages[path] : undefined;
    return make
      ? make()
      : page(text, `no such page; there are ${Object.keys(this.#pages).join(', ')}\n`, 404);
  }

  #metrics(): Promise<Page> {
    this.#scrape ??= this.#makeMetrics().finally(() => {
      this.#scrape = undefined;
    });
    return this.#scrape;
  }

  async #makeMetrics(): Promise<Page> {
    const { status, groups, reloads } = this.#options;
    const { contentType, exposition } = await loadExposition();
    return page(contentType, await exposition(snapshotOf(status(), groups(), reloads())));
  }

  /** Once, and not with every scrape. */
  #fails(error: Error): void {
    if (error.message !== this.#trouble)
      this.#options.logger.error({ err: error }, 'a defect in the metrics');
    this.#trouble = error.message;
  }
}

/** Only where metrics are served: prom-client costs memory. */
function loadExposition() {
  return import('./exposition.ts');
}

function page(type: string, body: string, status = 200): Page {
  return { status, type, body };
}

function json(value: object, status = 200): Page {
  return page('application/json', `${JSON.stringify(value)}\n`, status);
}

function send(response: ServerResponse, { status, type, body }: Page): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...(status === 405 && { Allow: 'GET, HEAD' }),
    // So that none is open between two requests when this process ends, or leaves the socket to another one.
    Connection: 'close',
  });
  response.end(body);
}
