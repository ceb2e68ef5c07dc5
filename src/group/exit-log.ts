/** Tells the log why workers ended: the first time in full, then a repeat only at each doubling of its count. */

import type { Logger } from 'pino';
import type { ErrorReport } from '../channel/control.ts';
import type { ExitReason } from './exit-reason.ts';

export interface EndedWorker {
  readonly index: number;
  readonly pid: number | undefined;
  readonly bootError: ErrorReport | undefined;
}

export class ExitLog {
  readonly #logger: Logger;
  #lastText = '';
  #repeats = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `next` says what follows: `restarting in 0.4 s`. */
  ended({ index, pid, bootError }: EndedWorker, reason: ExitReason, next: string): void {
    const fields = { index, workerPid: pid, exit: reason.kind };
    const text = `worker ${index} (pid ${pid ?? 'none'}) ${reason.text}${next && `; ${next}`}`;
    if (!reason.failure) {
      this.#logger.info(fields, text);
      return;
    }
    if (reason.text !== this.#lastText) {
      this.#lastText = reason.text;
      this.#repeats = 1;
      this.#logger.error({ ...fields, ...(bootError && { details: bootError.details }) }, text);
      return;
    }
    this.#repeats++;
    if (Number.isInteger(Math.log2(this.#repeats))) {
      this.#logger.error(
        { ...fields, repeats: this.#repeats },
        `${text}; the ${this.#repeats}th time in a row`,
      );
    }
  }

  /** Something else happened since: the next failure is news again. */
  reset(): void {
    this.#lastText = '';
    this.#repeats = 0;
  }
}
