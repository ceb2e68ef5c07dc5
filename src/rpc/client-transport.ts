/** How bodies get to a server, and answers back: HTTP/1.1 over connections that are kept. */

import type { Agent, ClientRequest, IncomingMessage } from 'node:http';

export interface TransportOptions {
  readonly connections: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** One request; `answer` rejects with what the connection failed with. */
export interface Posted {
  readonly answer: Promise<HttpAnswer>;
  /** Gives the request up, and the connection with it. */
  destroy(): void;
}

type HttpModule = Pick<typeof import('node:http'), 'request' | 'Agent'>;

export class Transport {
  /** As messages show it. */
  readonly server: string;
  readonly #url: URL;
  readonly #socketPath: string | undefined;
  readonly #options: TransportOptions;
  readonly #http: Promise<{ readonly module: HttpModule; readonly agent: Agent }>;

  /** Throws a `TypeError` for an address that is none. */
  constructor(address: string, options: TransportOptions) {
    this.#socketPath = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
    this.#url = parseUrl(this.#socketPath ? 'http://localhost/' : address, address);
    this.server = address;
    this.#options = options;
    this.#http = this.#load();
  }

  post(body: string): Posted {
    const controller = new AbortController();
    return { answer: this.#post(body, controller.signal), destroy: () => controller.abort() };
  }

  async close(): Promise<void> {
    (await this.#http).agent.destroy();
  }

  /** Only when a client is made: whatever imports this package would pay for it. */
  async #load() {
    const module: HttpModule =
      this.#url.protocol === 'https:' ? await import('node:https') : await import('node:http');
    const { connections } = this.#options;
    return { module, agent: new module.Agent({ keepAlive: true, maxSockets: connections }) };
  }

  async #post(body: string, signal: AbortSignal): Promise<HttpAnswer> {
    const { module, agent } = await this.#http;
    const request = module.request(this.#url, {
      method: 'POST',
      agent,
      signal,
      ...(this.#socketPath !== undefined && { socketPath: this.#socketPath }),
      headers: {
        ...this.#options.headers,
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
      },
    });
    return exchange(request, body);
  }
}

function exchange(request: ClientRequest, body: string): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject).on('response', (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode as number, text }));
    });
    request.end(body);
  });
}

function parseUrl(text: string, given: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new TypeError(
    `an RPC server is http://HOST:PORT, https://HOST or unix:PATH, not ${JSON.stringify(given)}`,
  );
}
