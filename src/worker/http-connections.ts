/** The connections of an HTTP/1.1 server, plain or over TLS, and how they end. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Connections } from './connections.ts';

/** The last response that was begun on a socket. A property, since nothing else is as cheap at each request. */
const lastResponse = Symbol('lastResponse');

type HttpSocket = Socket & { [lastResponse]?: ServerResponse };

export class HttpConnections implements Connections {
  readonly #server: Server;
  readonly #countRequest: () => void;
  readonly #sockets = new Set<HttpSocket>();
  #isDraining = false;

  constructor(server: Server, countRequest: () => void) {
    this.#server = server;
    this.#countRequest = countRequest;
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response);
    // Before the user's own, which may have answered when it returns.
    server.prependListener('request', onRequest);
    // A listener of these takes requests away from the one above, so there is none of ours without one of the user's.
    for (const event of ['checkContinue', 'checkExpectation'] as const) {
      if (server.listenerCount(event) > 0) server.prependListener(event, onRequest);
    }
    if (server.listenerCount('upgrade') > 0) server.prependListener('upgrade', countRequest);
  }

  get requests(): number {
    return [...this.#sockets].filter(socket => socket[lastResponse]?.writableEnded === false).length;
  }

  beginDrain(): void {
    this.#isDraining = true;
    for (const socket of this.#sockets) closeAfter(socket[lastResponse]);
  }

  closeIdle(): void {
    this.#server.closeIdleConnections();
  }

  #onRequest({ socket, httpVersionMajor }: IncomingMessage, response: ServerResponse): void {
    // A server for HTTP/2 counts its own.
    if (httpVersionMajor !== 1) return;
    const known = socket as HttpSocket;
    const previous = known[lastResponse];
    // A listener of `checkContinue` hands the request on as another event.
    if (previous === response) return;
    if (previous === undefined) {
      this.#sockets.add(known);
      known.once('close', () => this.#sockets.delete(known));
    }
    known[lastResponse] = response;
    this.#countRequest();
    if (this.#isDraining) closeAfter(response);
  }
}

/** The client is told that this response is the last on its connection; where it is too late for that, `closeIdle()` ends it. */
function closeAfter(response: ServerResponse | undefined): void {
  if (response && !response.headersSent) response.setHeader('Connection', 'close');
}
