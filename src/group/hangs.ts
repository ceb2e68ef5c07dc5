/** Ends workers whose main thread is silent: first a dump of what it does, then ABRT, then KILL. */

import type { Logger } from 'pino';
import type { WorkerProcess } from './worker-process.ts';

/** How long the watchdog thread may take for the stack, ms. */
const dumpLimit = 1500;
/** How long ABRT may take before KILL follows, ms. */
const abortGrace = 1000;

type Hang = { readonly step: 'dumping' } | { readonly step: 'aborted'; readonly at: number };

export class Hangs {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #hangs = new Map<WorkerProcess, Hang>();

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Takes the next step for a worker that may be silent for longer than its `timeout`. */
  check(worker: WorkerProcess): void {
    const limit = worker.spec.config.timeout;
    const hang = this.#hangs.get(worker);
    if (!hang && limit > 0 && worker.silence > limit) void this.#dump(worker, limit);
    if (hang?.step === 'aborted' && this.#now() - hang.at > abortGrace)
      worker.kill({ cause: 'silent', limit });
  }

  forget(worker: WorkerProcess): void {
    this.#hangs.delete(worker);
  }

  async #dump(worker: WorkerProcess, limit: number): Promise<void> {
    this.#hangs.set(worker, { step: 'dumping' });
    const stack = await worker.stack(dumpLimit);
    if (worker.state === 'exited') return;
    const fields = { index: worker.index, workerPid: worker.pid };
    if (worker.silence <= limit) {
      this.#hangs.delete(worker);
      this.#logger.warn(fields, `worker ${worker.index} (pid ${worker.pid}) was silent, and answers again`);
      return;
    }
    const where = stack[0] ?? 'code that is not JavaScript (a native call, or the process is stopped)';
    this.#logger.error(
      { ...fields, stack, running: worker.heartbeat?.running ?? [] },
      `worker ${worker.index} (pid ${worker.pid}) hangs in ${where}: silent for ${limit / 1000} s (timeout), aborting it`,
    );
    this.#hangs.set(worker, { step: 'aborted', at: this.#now() });
    worker.abort({ cause: 'silent', limit });
  }
}
