/** The places of a group: one worker each, and at times the one that is to replace it. */

import type { ExitReason } from './exit-reason.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface Slot {
  /** 1…N; that of the worker in it, and of whatever replaces that. */
  readonly index: number;
  worker: WorkerProcess | undefined;
  /** Boots to take the place of `worker`. */
  successor: WorkerProcess | undefined;
  /** Why `worker` is to be replaced. */
  retiring: string | undefined;
  /** No start in this slot before that time. */
  notBefore: number;
  /** The restart policy gave the slot up. */
  finished: boolean;
  /** How often a worker was started here after one that had ended unasked. */
  restarts: number;
  /** How the last one ended that was in this place. */
  lastExit: { readonly reason: ExitReason; readonly at: Date } | undefined;
}

export class Slots implements Iterable<Slot> {
  readonly #byIndex = new Map<number, Slot>();

  [Symbol.iterator](): Iterator<Slot> {
    return this.#byIndex.values();
  }

  get size(): number {
    return this.#byIndex.size;
  }

  get(index: number): Slot | undefined {
    return this.#byIndex.get(index);
  }

  /** The slot that a worker is in; undefined for one that leaves, or has not been given a place. */
  of(worker: WorkerProcess): Slot | undefined {
    const slot = this.get(worker.index);
    return slot?.worker === worker || slot?.successor === worker ? slot : undefined;
  }

  /** Adds an empty slot, by default with the lowest index that is free. */
  add(index = this.#lowestFreeIndex()): Slot {
    const slot: Slot = {
      index,
      worker: undefined,
      successor: undefined,
      retiring: undefined,
      notBefore: 0,
      finished: false,
      restarts: 0,
      lastExit: undefined,
    };
    this.#byIndex.set(index, slot);
    return slot;
  }

  remove(slot: Slot): void {
    this.#byIndex.delete(slot.index);
  }

  some(predicate: (slot: Slot) => boolean): boolean {
    return [...this].some(predicate);
  }

  every(predicate: (slot: Slot) => boolean): boolean {
    return [...this].every(predicate);
  }

  /** The workers in them, by index. */
  get workers(): WorkerProcess[] {
    return [...this]
      .sort((a, b) => a.index - b.index)
      .flatMap(({ worker, successor }) => [worker, successor])
      .filter(worker => worker !== undefined);
  }

  /** What is beyond `desired`: first what is not ready, then what is outdated, then idle, then the highest index. */
  surplus(desired: number): Slot[] {
    const rank = ({ worker }: Slot) => (worker?.state === 'ready' ? 1 : 0);
    const generation = ({ worker }: Slot) => worker?.generation ?? 0;
    const load = ({ worker }: Slot) => worker?.heartbeat?.running.length ?? 0;
    return [...this]
      .sort(
        (a, b) =>
          rank(a) - rank(b) || generation(a) - generation(b) || load(a) - load(b) || b.index - a.index,
      )
      .slice(0, Math.max(0, this.size - desired));
  }

  #lowestFreeIndex(): number {
    let index = 1;
    while (this.#byIndex.has(index)) index++;
    return index;
  }
}
