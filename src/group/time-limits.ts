/** Ends workers that take too long: to boot, to answer, to drain. */

import { culprit, type GroupLog } from './group-log.ts';
import { Hangs } from './hangs.ts';
import type { WorkerProcess } from './worker-process.ts';

export class TimeLimits {
  readonly #log: GroupLog;
  readonly #now: () => number;
  readonly #hangs: Hangs;
  /** Workers whose `boot_timeout` is over, while their stack is being read. */
  readonly #slowBoots = new WeakSet<WorkerProcess>();

  constructor(log: GroupLog, now: () => number) {
    this.#log = log;
    this.#now = now;
    this.#hangs = new Hangs(log, now);
  }

  check(worker: WorkerProcess): void {
    const { bootTimeout, gracefulTimeout } = worker.spec.config;
    switch (worker.state) {
      case 'starting':
        if (this.#now() - worker.startedAt > bootTimeout) void this.#endBoot(worker, bootTimeout);
        break;
      case 'ready':
        this.#hangs.check(worker);
        break;
      case 'draining':
        // A main thread that hangs finishes nothing, however long it is left to it.
        this.#hangs.check(worker);
        if (worker.drainingFor > gracefulTimeout) this.#cut(worker, gracefulTimeout);
        break;
    }
  }

  forget(worker: WorkerProcess): void {
    this.#hangs.forget(worker);
  }

  /** Says where it hangs first, if it can be told. */
  async #endBoot(worker: WorkerProcess, limit: number): Promise<void> {
    if (this.#slowBoots.has(worker)) return;
    this.#slowBoots.add(worker);
    const stack = await worker.stack();
    this.#log.slowBoot(worker, stack);
    worker.kill({ cause: 'boot-timeout', limit, ...(stack.length > 0 && { place: culprit(stack) }) });
  }

  #cut(worker: WorkerProcess, graceful: number): void {
    if (worker.ending?.cause === 'cut') return;
    this.#log.cut(worker);
    worker.kill({ cause: 'cut', graceful });
  }
}
