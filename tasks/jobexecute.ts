/** The main job: counts primes, round after round, on the threads of each worker process. */

import { threadId } from 'node:worker_threads';
import { SyncWorker } from 'processhandler';

interface Range {
  readonly from: number;
  readonly to: number;
}

interface Count {
  readonly primes: number;
  readonly thread: number;
  readonly ms: number;
}

/** A task: runs on a thread. */
export function countPrimes({ from, to }: Range): Count {
  const start = performance.now();
  let primes = 0;
  for (let n = Math.max(2, from); n < to; n++) if (isPrime(n)) primes++;
  return { primes, thread: threadId, ms: Math.round(performance.now() - start) };
}

function isPrime(n: number): boolean {
  if (n % 2 === 0) return n === 2;
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false;
  return true;
}

/** Runs on the main thread of each worker process. */
export default class JobExecute extends SyncWorker {
  static override readonly loggerName = 'jobexecute';
  #parts = 1;
  #upTo = 0;
  #pause = 0;
  #round = 0;

  override setup(): void {
    this.#parts = Math.max(1, this.config.threads);
    this.#upTo = Number(this.config.settings.count_up_to ?? 2_000_000);
    this.#pause = Number(this.config.settings.pause_ms ?? 1000);
  }

  override initProcess(): void {
    this.logger.info(`counts primes below ${this.#upTo} on ${this.#parts} threads`);
  }

  override async handleRequest(): Promise<void> {
    const start = performance.now();
    const counts = await Promise.all(
      this.#ranges().map(range => this.pool.run<Count>(range, { name: 'countPrimes' })),
    );
    const primes = counts.reduce((sum, count) => sum + count.primes, 0);
    this.#round++;
    const threads = counts.map(({ thread, ms }) => `thread ${thread}: ${ms} ms`).join(', ');
    this.logger.info(
      `round ${this.#round}: ${primes} primes in ${Math.round(performance.now() - start)} ms (${threads})`,
    );
    await this.sleep(this.#pause);
  }

  override stop(): void {
    this.logger.info(`stopped after ${this.#round} rounds`);
  }

  #ranges(): Range[] {
    const step = Math.ceil(this.#upTo / this.#parts);
    return Array.from({ length: this.#parts }, (_, part) => ({
      from: part * step,
      to: Math.min((part + 1) * step, this.#upTo),
    }));
  }
}
