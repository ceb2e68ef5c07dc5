/** Ends workers whose main thread is silent: first a dump of what it does, then ABRT, then KILL. */

import type { GroupLog } from './group-log.ts';
import type { WorkerProcess } from './worker-process.ts';

/** The dump may have caught a worker that just came back: how long it then has for its heartbeat, ms. */
const answerGrace = 200;
/** How long ABRT may take before KILL follows, ms. */
const abortGrace = 1000;

type Hang =
  | { readonly step: 'dumping' }
  | { readonly step: 'dumped'; readonly at: number; readonly stack: readonly string[] }
  | { readonly step: 'aborted'; readonly at: number };

export class Hangs {
  readonly #log: GroupLog;
  readonly #now: () => number;
  readonly #hangs = new Map<WorkerProcess, Hang>();

  constructor(log: GroupLog, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Takes the next step for a worker that may be silent for longer than its `timeout`. */
  check(worker: WorkerProcess): void {
    const limit = worker.spec.config.timeout;
    const hang = this.#hangs.get(worker);
    if (!hang && limit > 0 && worker.silence > limit) void this.#dump(worker);
    if (hang?.step === 'dumped' && this.#now() - hang.at >= answerGrace)
      this.#conclude(worker, limit, hang.stack);
    if (hang?.step === 'aborted' && this.#now() - hang.at > abortGrace)
      worker.kill({ cause: 'silent', limit });
  }

  forget(worker: WorkerProcess): void {
    this.#hangs.delete(worker);
  }

  async #dump(worker: WorkerProcess): Promise<void> {
    this.#hangs.set(worker, { step: 'dumping' });
    const stack = await worker.stack();
    if (worker.state !== 'exited') this.#hangs.set(worker, { step: 'dumped', at: this.#now(), stack });
  }

  #conclude(worker: WorkerProcess, limit: number, stack: readonly string[]): void {
    if (worker.silence <= limit) {
      this.#hangs.delete(worker);
      this.#log.answersAgain(worker);
      return;
    }
    this.#log.hangs(worker, stack);
    this.#hangs.set(worker, { step: 'aborted', at: this.#now() });
    worker.abort({ cause: 'silent', limit });
  }
}
