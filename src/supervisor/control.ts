/** The control socket of a supervisor, which goes on without one where none can be made. */

import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Handlers } from '../control/protocol.ts';
import type { ControlServer } from '../control/server.ts';
import { ControlSocket } from '../control/socket.ts';

export interface ControlOptions {
  readonly logger: Logger;
  readonly handlers: Handlers;
  /** Where it is to be now. */
  readonly path: () => string;
}

export class Control {
  readonly #options: ControlOptions;
  #socket: ControlSocket | undefined;
  /** Loaded for the first connection: a supervisor that nobody asks anything needs none of it. */
  #server: Promise<ControlServer | undefined> | undefined;
  /** What kept it from being made: said once, not at every try. */
  #trouble = '';
  #isOpen = false;
  #listening: Promise<void> | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Takes its place where nobody serves it. */
  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#listenOnce();
  }

  /** Takes its place from the supervisor that this one replaces. */
  async takeOver(): Promise<void> {
    this.#isOpen = true;
    await this.#listening;
    await this.#listenOnce(true);
  }

  /** Called now and then: somebody may have removed its file, a reload may have moved it. */
  look(): void {
    if (!this.#isOpen || this.#listening) return;
    if (this.#socket?.isGone) this.#options.logger.warn(`${this.#socket.path} was removed; made again`);
    else if (this.#socket?.path === this.#options.path()) return;
    void this.#listenOnce();
  }

  /** Another supervisor has taken its place: the file is that one's to keep. */
  handOver(): void {
    this.#isOpen = false;
  }

  /** Resolves when answers that are on their way have gone out. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#listening;
    this.#socket?.close();
    await (await this.#server)?.close();
  }

  /** Never twice at a time. */
  #listenOnce(replaces = false): Promise<void> {
    this.#listening ??= this.#listen(replaces).finally(() => {
      this.#listening = undefined;
    });
    return this.#listening;
  }

  async #listen(replaces: boolean): Promise<void> {
    const { logger, path } = this.#options;
    try {
      const accept = (connection: Socket) => void this.#accept(connection);
      const socket = await ControlSocket.open(path(), accept, replaces);
      this.#socket?.close();
      this.#socket = socket;
      this.#trouble = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#trouble) {
        logger.warn(`${message}; commands cannot reach this supervisor (control_socket names another place)`);
      }
      this.#trouble = message;
    }
  }

  async #accept(connection: Socket): Promise<void> {
    connection.on('error', () => {});
    this.#server ??= this.#loadServer();
    const server = await this.#server;
    if (server) server.accept(connection);
    else connection.destroy();
  }

  /** Undefined where its files are gone, as after a deploy: that must cost no worker. */
  async #loadServer(): Promise<ControlServer | undefined> {
    try {
      const { ControlServer } = await import('../control/server.ts');
      return new ControlServer(this.#options.handlers);
    } catch (error) {
      this.#options.logger.error(`no command can be served: ${(error as Error).message}`);
      this.#server = undefined;
      return undefined;
    }
  }
}
