/** Looks after the files that show others the way to this supervisor: somebody may remove them. */

import type { Logger } from 'pino';
import type { HeldSocket } from './listening-socket.ts';
import type { Pidfile } from './pidfile.ts';

/** How soon it is tried again to bind a socket whose file was removed, in looks. */
const bindAgainAfter = 30;

export interface FileKeeperOptions {
  readonly logger: Logger;
  readonly pidfiles: () => readonly Pidfile[];
  /** Sockets that nobody can connect to any more; undefined during a reload, which may have bound them anew. */
  readonly lost: () => readonly HeldSocket[] | undefined;
  /** Binds those whose file is gone anew, and gives them to workers; false where it is not the time for that. */
  readonly bindAgain: () => boolean;
}

export class FileKeeper {
  readonly #options: FileKeeperOptions;
  /** What kept a pidfile from being written again: said once, not at every look. */
  #pidfileTrouble = '';
  #socketTrouble = '';
  #looksToWait = 0;

  constructor(options: FileKeeperOptions) {
    this.#options = options;
  }

  look(): void {
    this.#restorePidfiles();
    this.#restoreSockets();
  }

  #restorePidfiles(): void {
    const { logger, pidfiles } = this.#options;
    for (const pidfile of pidfiles()) {
      try {
        if (pidfile.restore()) logger.warn(`${pidfile.path} was removed; written again`);
        this.#pidfileTrouble = '';
      } catch (error) {
        const { message } = error as Error;
        if (message !== this.#pidfileTrouble)
          logger.error(`removed, and cannot be written again: ${message}`);
        this.#pidfileTrouble = message;
      }
    }
  }

  /** A socket cannot get its file back: it is bound anew, for workers of a new generation. */
  #restoreSockets(): void {
    const lost = this.#options.lost();
    if (!lost) return;
    const trouble = lost.map(describe).join(', ');
    if (trouble !== this.#socketTrouble) {
      this.#socketTrouble = trouble;
      this.#looksToWait = 0;
      if (trouble) this.#options.logger.warn(trouble);
    }
    if (!lost.some(({ file }) => file === 'gone') || this.#looksToWait-- > 0) return;
    this.#looksToWait = this.#options.bindAgain() ? bindAgainAfter : 0;
  }
}

function describe({ address, file }: HeldSocket): string {
  return file === 'gone'
    ? `${address} was removed; binding it anew`
    : `${address} is another file now: nobody can connect to ours`;
}
