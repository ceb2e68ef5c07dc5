/** What a group tells the log about its workers. */

import type { Logger } from 'pino';
import type { ExitReason } from './exit-reason.ts';
import type { RestartLimits } from './restart-policy.ts';
import type { WorkerProcess } from './worker-process.ts';

type LoggedWorker = Pick<WorkerProcess, 'index' | 'pid' | 'bootError'>;

export class GroupLog {
  readonly #logger: Logger;
  #lastFailure = '';
  #repeats = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  ready(worker: WorkerProcess): void {
    const text = `${name(worker)} ready after ${(worker.bootTime / 1000).toFixed(2)} s`;
    this.#logger.info({ ...fields(worker), generation: worker.generation }, text);
  }

  retires(worker: WorkerProcess, reason: string): void {
    this.#logger.info(fields(worker), `${name(worker)} retires: ${reason}`);
  }

  /** Its `boot_timeout` is over; `stack` is that of its main thread, innermost first. */
  slowBoot(worker: WorkerProcess, stack: readonly string[]): void {
    if (stack.length === 0) return;
    this.#logger.error({ ...fields(worker), stack }, `${name(worker)} hangs at boot in ${culprit(stack)}`);
  }

  /** Its main thread has been silent for `timeout`, and is now aborted. */
  hangs(worker: WorkerProcess, stack: readonly string[]): void {
    const { timeout } = worker.spec.config;
    const running = worker.heartbeat?.running ?? [];
    this.#logger.error(
      { ...fields(worker), stack, running, queued: worker.heartbeat?.queued ?? 0 },
      `${name(worker)} hangs in ${culprit(stack)}: silent for ${timeout / 1000} s (timeout), aborting it`,
    );
  }

  answersAgain(worker: WorkerProcess): void {
    this.#logger.warn(fields(worker), `${name(worker)} was silent, and answers again`);
  }

  /** Its time to drain is over. */
  cut(worker: WorkerProcess): void {
    const running = worker.heartbeat?.running ?? [];
    const tasks = running.map(task => task.name).join(', ');
    const work = tasks ? `in the middle of: ${tasks}` : 'with no task in flight';
    const { queued = 0, connections = 0, requests = 0 } = worker.heartbeat ?? {};
    const open =
      connections > 0
        ? `, with ${count(connections, 'open connection')} (${count(requests, 'request')})`
        : '';
    this.#logger.warn(
      { ...fields(worker), running, queued, connections, requests },
      `${name(worker)} is cut off, ${work}${open}`,
    );
  }

  /** A reload is through. */
  reloaded(generation: number, workers: number): void {
    const text = `generation ${generation} serves with ${count(workers, 'worker')}`;
    this.#logger.info({ generation, workers }, text);
  }

  scaling(workers: number): void {
    this.#logger.info({ workers }, `scaling to ${count(workers, 'worker')}`);
  }

  failed({ maxRestarts, restartWindow, restartDelayMax }: RestartLimits): void {
    this.#logger.error(
      `failed: more than ${maxRestarts} failures within ${restartWindow / 1000} s (max_restarts, restart_window); ` +
        `trying again every ${restartDelayMax / 1000} s (restart_delay_max); the last one: ${this.#lastFailure}`,
    );
  }

  /**
   * Why a worker ended, and in `next` what follows. A failure that repeats itself is logged in full the first time,
   * then at each doubling of its count. `details` are the user's own error, where nobody else tells them.
   */
  ended(worker: LoggedWorker, reason: ExitReason, next: string, details = worker.bootError?.details): void {
    const exit = { ...fields(worker), exit: reason.kind };
    const text = `${name(worker)} ${reason.text}${next && `; ${next}`}`;
    if (!reason.failure) {
      this.#logger.info(exit, text);
      return;
    }
    if (reason.text !== this.#lastFailure) {
      this.#lastFailure = reason.text;
      this.#repeats = 1;
      this.#logger.error({ ...exit, ...(details && { details }) }, text);
      return;
    }
    this.#repeats++;
    if (Number.isInteger(Math.log2(this.#repeats))) {
      const times = `${this.#repeats} times in a row`;
      this.#logger.error({ ...exit, repeats: this.#repeats }, `${text} (${times})`);
    }
  }

  /** Something else happened since: the next failure is news again. */
  forgetFailures(): void {
    this.#lastFailure = '';
    this.#repeats = 0;
  }
}

/** Where the user has to look: Node's own functions hang because of who calls them. */
export function culprit(stack: readonly string[]): string {
  const frame = stack.find(place => !place.includes('(node:')) ?? stack[0];
  return frame ?? 'code that is not JavaScript (a native call, or the process is stopped)';
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function name({ index, pid }: LoggedWorker): string {
  return `worker ${index} (pid ${pid ?? 'none'})`;
}

function fields({ index, pid }: LoggedWorker) {
  return { index, workerPid: pid };
}
