/** Notices a consumer that is connected and takes nothing while jobs wait. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer } from './consumer.ts';

/** How often it is looked after, as a part of the limit. */
const looks = 4;

export class ConsumerWatch {
  readonly #consumer: Consumer;
  readonly #limit: number;
  readonly #onStuck: (reason: string) => void;

  /** `limit`: how long it may take nothing, ms. `onStuck` is called once. */
  constructor(consumer: Consumer, limit: number, onStuck: (reason: string) => void) {
    this.#consumer = consumer;
    this.#limit = limit;
    this.#onStuck = onStuck;
  }

  /** Until `signal` is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    const pace = this.#limit / looks;
    while (!signal.aborted) {
      await delay(pace, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted || this.#consumer.idleFor < this.#limit) continue;
      // A server that does not answer either is as stuck as can be.
      const waiting = await Promise.race([
        this.#waiting(),
        delay(pace, 'no answer' as const, { ref: false }),
      ]);
      if (waiting === 0 || this.#consumer.idleFor < this.#limit) continue;
      const seconds = Math.round(this.#consumer.idleFor / 1000);
      const what = waiting === 'no answer' ? 'the server does not answer' : `${waiting} jobs wait`;
      this.#onStuck(`the queue's consumer has taken no job for ${seconds} s: ${what}`);
      return;
    }
  }

  /** Jobs that it could take now. */
  async #waiting(): Promise<number> {
    const backend = this.#consumer.worker?.getBackend();
    if (!backend) return 0;
    try {
      const [counts, limit, isMaxed] = await Promise.all([
        backend.getCounts(['wait', 'prioritized']),
        backend.getRateLimitTtl(),
        backend.isMaxed(),
      ]);
      return limit > 0 || isMaxed ? 0 : counts.reduce((sum, count) => sum + count, 0);
    } catch {
      // It is not connected after all, and says so itself.
      return 0;
    }
  }
}
