/** The standard error or output of this process as a place for log lines. Writing to it does not block, where that can be had. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import type { Target } from './target.ts';

export type StandardStream = 'stdout' | 'stderr';

export const standardFds: Readonly<Record<StandardStream, number>> = { stdout: 1, stderr: 2 };

export class StandardTarget implements Target {
  readonly name: StandardStream;
  readonly fd: number;
  readonly size: number | undefined;
  readonly canHangUp: boolean;
  readonly blocking: boolean;

  constructor(name: StandardStream) {
    this.name = name;
    const stats = fstatSync(standardFds[name]);
    this.canHangUp = !stats.isFile();
    this.fd = stats.isFile() ? standardFds[name] : open(name);
    this.blocking = !this.#isOurs && !stats.isSocket();
  }

  room(): number {
    return Number.POSITIVE_INFINITY;
  }

  reopen(): boolean {
    return false;
  }

  close(): void {
    if (this.#isOurs) closeSync(this.fd);
  }

  get #isOurs(): boolean {
    return this.fd !== standardFds[this.name];
  }
}

/** Opened through /proc, a pipe or terminal is non-blocking for us alone: the flag is not shared with the fd's other users. */
function open(name: StandardStream): number {
  const fd = standardFds[name];
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // A socket cannot be opened that way. Node makes it non-blocking when it sets up this stream, and restores it at exit.
    void process[name];
    return fd;
  }
}
