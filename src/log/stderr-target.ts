/** The standard error of this process as a place for log lines. Writing to it does not block, where that can be had. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import type { Target } from './target.ts';

export class StderrTarget implements Target {
  readonly name = 'stderr';
  readonly fd: number;
  readonly size: number | undefined;
  readonly canHangUp: boolean;
  readonly blocking: boolean;

  constructor() {
    const stats = fstatSync(2);
    this.canHangUp = !stats.isFile();
    this.fd = stats.isFile() ? 2 : openStderr();
    this.blocking = this.fd === 2 && !stats.isSocket();
  }

  room(): number {
    return Number.POSITIVE_INFINITY;
  }

  reopen(): boolean {
    return false;
  }

  close(): void {
    if (this.fd !== 2) closeSync(this.fd);
  }
}

/** Opened through /proc, a pipe or terminal is non-blocking for us alone: the flag is not shared with the other users of fd 2. */
function openStderr(): number {
  try {
    return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // A socket cannot be opened that way. Node makes fd 2 non-blocking when it sets up this stream, and restores it at exit.
    void process.stderr;
    return 2;
  }
}
