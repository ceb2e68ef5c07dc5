/** The control socket of a supervisor, which goes on without one where none can be made. */

import type { Logger } from 'pino';
import type { Handlers } from '../control/protocol.ts';
import { ControlServer } from '../control/server.ts';

export interface ControlOptions {
  readonly logger: Logger;
  readonly handlers: Handlers;
  /** Where it is to be now. */
  readonly path: () => string;
}

export class Control {
  readonly #options: ControlOptions;
  readonly #server: ControlServer;
  /** What kept it from being made: said once, not at every try. */
  #trouble = '';
  #isOpen = false;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#server = new ControlServer(options.handlers);
  }

  /** Takes its place, also from a supervisor that this one replaces. */
  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#listen();
  }

  /** Called now and then: somebody may have removed its file, a reload may have moved it. */
  look(): void {
    if (!this.#isOpen) return;
    if (this.#server.isLost) this.#options.logger.warn(`${this.#server.path} was removed; made again`);
    else if (this.#server.path === this.#options.path()) return;
    void this.#listen();
  }

  /** Resolves when answers that are on their way have gone out. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#server.close();
  }

  async #listen(): Promise<void> {
    const { logger, path } = this.#options;
    try {
      await this.#server.listen(path());
      this.#trouble = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#trouble) {
        logger.warn(`${message}; commands cannot reach this supervisor (control_socket names another place)`);
      }
      this.#trouble = message;
    }
  }
}
