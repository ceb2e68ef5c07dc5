/** What a master asks the watchdog thread of a worker process, over a socketpair that works while its main thread hangs. */

/** The end of this socket tells the watchdog that its master is gone; it is the worker's fd of this number. */
export const watchdogFd = 4;

export interface StackRequest {
  readonly type: 'stack';
  readonly id: number;
}

export interface StackAnswer {
  readonly type: 'stack';
  readonly id: number;
  /** Innermost first, `function (file:line:column)`; empty when the main thread was not in JavaScript. */
  readonly frames: readonly string[];
}

/** One JSON document a line. */
export function encodeLine(message: StackRequest | StackAnswer): string {
  return `${JSON.stringify(message)}\n`;
}
