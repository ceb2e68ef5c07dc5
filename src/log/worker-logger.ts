/** The logger of a worker process. It prints to stdout, which the supervisor collects. */
import { writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

export interface WorkerLoggerOptions {
  readonly name: string;
  readonly section: string;
  /** Number of the worker within its section, from 1. */
  readonly index: number;
  /** Name of a pino level, or `silent`. */
  readonly level: string;
}

const STDOUT = 1;
/** Where someone has made stdout non-blocking again: so long it waits for the supervisor, in milliseconds. */
const BUSY_DELAY = 5;

/** JSON lines to stdout, written before the call returns, so that the last line before a crash is there. */
export function createWorkerLogger({ name, section, index, level }: WorkerLoggerOptions): Logger {
  for (const stream of [process.stdout, process.stderr]) {
    makeBlocking(stream);
    // Nobody reads any more (the master is gone, or the worker closed it): no reason to fail in the middle of the work.
    stream.on('error', () => {});
  }
  return pino({ name, level, base: { pid: process.pid, section, index } }, { write: writeLine });
}

/**
 * Node makes pipes non-blocking: a `console.log` larger than the pipe is then written in pieces, with other lines between
 * them, and a worker that prints faster than it is read grows without limit. Blocking, it is slowed down instead.
 */
function makeBlocking(
  stream: NodeJS.WriteStream & { _handle?: { setBlocking?(on: boolean): unknown } },
): void {
  stream._handle?.setBlocking?.(true);
}

/** Not sonic-boom: at an error that stays (a closed stdout) it would throw, or keep all lines in memory. */
function writeLine(record: string): void {
  let rest = Buffer.from(record);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(STDOUT, rest));
    } catch (error) {
      // Nobody reads any more: that is no reason for the worker to fail.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_DELAY);
    }
  }
}
