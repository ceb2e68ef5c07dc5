/** Whose the file of a Unix socket is. */

import { type Stats, statSync, unlinkSync } from 'node:fs';

/** The file of a socket that this process has bound. */
export class SocketFile {
  readonly path: string;
  readonly #identity: string | undefined;

  /** The file that is there now; without one it is gone from the beginning. */
  constructor(path: string) {
    this.path = path;
    const stats = statSync(path, { throwIfNoEntry: false });
    this.#identity = stats && identityOf(stats);
  }

  get state(): 'ours' | 'gone' | 'replaced' {
    const stats = statSync(this.path, { throwIfNoEntry: false });
    if (!stats) return 'gone';
    return identityOf(stats) === this.#identity ? 'ours' : 'replaced';
  }

  /** Nobody can connect any more; who has, still is connected or waits. */
  remove(): void {
    try {
      if (this.state === 'ours') unlinkSync(this.path);
    } catch {
      // Its directory is gone, or no longer ours: there is nothing left to clean up.
    }
  }
}

/** A new file may get the number of one that was removed, but not its birth. */
function identityOf({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev}:${ino}:${birthtimeMs}`;
}
