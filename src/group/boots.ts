/** What is known of whether the workers of a group can boot, and of how they failed. */

import type { ErrorReport } from '../channel/control.ts';
import type { ExitReason } from './exit-reason.ts';
import type { Slots } from './slots.ts';
import type { WorkerProcess } from './worker-process.ts';

export class Boots {
  /** By index: what became of the first worker in each place. */
  readonly #first = new Map<number, 'ready' | ErrorReport>();
  #hasServed = false;
  #lastFailure: ErrorReport | undefined;
  #bootFailure: ErrorReport | undefined;

  /** Whether any worker has ever been taken into service. */
  get hasServed(): boolean {
    return this.#hasServed;
  }

  /** The first failure of a worker that was the first in its place. */
  get firstFailure(): ErrorReport | undefined {
    return [...this.#first.values()].find(outcome => outcome !== 'ready');
  }

  /** How the last worker of this generation failed. */
  get lastFailure(): ErrorReport | undefined {
    return this.#lastFailure;
  }

  /** The same of one that never became ready, while none has become ready since. */
  get bootFailure(): ErrorReport | undefined {
    return this.#bootFailure;
  }

  /** Whether it is known of every place if a worker can boot there. */
  areKnown(slots: Slots, desired: number): boolean {
    return slots.size >= desired && slots.every(({ index }) => this.#first.has(index));
  }

  served({ index }: WorkerProcess): void {
    this.#hasServed = true;
    this.#bootFailure = undefined;
    this.#first.set(index, 'ready');
  }

  ended(worker: WorkerProcess, reason: ExitReason, slots: Slots, generation: number): void {
    const { index, hasServed } = worker;
    const isFirst = slots.of(worker) && !hasServed && !this.#first.has(index);
    if (isFirst && reason.unexpected) this.#first.set(index, failureOf(worker, reason));
    if (!reason.failure || worker.generation !== generation) return;
    this.#lastFailure = failureOf(worker, reason);
    if (!hasServed) this.#bootFailure = this.#lastFailure;
  }

  /** A new generation has not failed yet. */
  forgetFailures(): void {
    this.#lastFailure = undefined;
    this.#bootFailure = undefined;
  }
}

/** What a worker itself said of its failure to boot, or else why it ended. */
export function failureOf({ bootError }: WorkerProcess, { text }: ExitReason): ErrorReport {
  return bootError ?? { message: text, details: text };
}
