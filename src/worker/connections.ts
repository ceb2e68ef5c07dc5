/** What a server's drain needs to know of its protocol. */

import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Server } from 'node:net';
import { HttpConnections } from './http-connections.ts';
import { Http2Connections } from './http2-connections.ts';

/** How long a connection that has not said anything yet may take to begin, once the server drains, ms. */
export const silentLimit = 1000;

export interface Connections {
  /** Requests that are being answered. */
  readonly requests: number;
  /** From now on no answer invites a further request. */
  beginDrain(): void;
  /** Ends what is open and has nothing in hand; called again and again until nothing is open. */
  closeIdle(): void;
}

/** Undefined for a protocol that is the user's own. */
export function connectionsOf(server: Server, countRequest: () => void): Connections | undefined {
  if (isHttp2(server)) return http2Connections(server, countRequest);
  return isHttp(server) ? new HttpConnections(server, countRequest) : undefined;
}

function isHttp(server: Server): server is HttpServer {
  return 'closeIdleConnections' in server;
}

// Node exports neither of its classes.
function isHttp2(server: Server): server is Http2Server {
  return 'updateSettings' in server;
}

function http2Connections(server: Http2Server, countRequest: () => void): Connections {
  const sessions = new Http2Connections(server, countRequest);
  // With `allowHTTP1`. Without a listener of the user's, one of ours would turn on Node's compatibility layer.
  if (!isHttp(server) || server.listenerCount('request') === 0) return sessions;
  const both = [sessions, new HttpConnections(server, countRequest)];
  return {
    get requests() {
      return both.reduce((sum, { requests }) => sum + requests, 0);
    },
    beginDrain() {
      for (const each of both) each.beginDrain();
    },
    closeIdle() {
      for (const each of both) each.closeIdle();
    },
  };
}
