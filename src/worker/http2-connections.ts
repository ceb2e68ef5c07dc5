/** The sessions of an HTTP/2 server, plain or over TLS, and how they end. */

import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type Connections, silentLimit } from './connections.ts';

export class Http2Connections implements Connections {
  /** With the time by which the first stream has to be there, once there is to be no more. */
  readonly #sessions = new Map<ServerHttp2Session, number>();
  #streams = 0;

  constructor(server: Http2Server, countRequest: () => void) {
    server.on('session', session => {
      this.#sessions.set(session, performance.now() + silentLimit);
      session.once('close', () => this.#sessions.delete(session));
    });
    server.prependListener('stream', (stream: ServerHttp2Stream) => {
      if (stream.session) this.#sessions.set(stream.session as ServerHttp2Session, 0);
      this.#streams++;
      stream.once('close', () => this.#streams--);
      countRequest();
    });
  }

  get requests(): number {
    return this.#streams;
  }

  beginDrain(): void {}

  /** GOAWAY: streams that are open end as they would; the client knows of any other that it was not begun. */
  closeIdle(): void {
    const now = performance.now();
    for (const [session, firstStreamBy] of this.#sessions) {
      if (!session.closed && now > firstStreamBy) session.close();
    }
  }
}
