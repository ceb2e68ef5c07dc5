/**
 * Tasks that were with a worker process when it crashed, and may be run again: one of them may be what crashed it. Each
 * runs in a process of its own for that time, so that it can take no other task with it.
 */

import type { PoolTask } from './pool-task.ts';
import type { WorkerLink } from './worker-link.ts';

export class Suspects {
  readonly #waiting: PoolTask[] = [];
  /** The link that gets no other work, so that it is free for the next of them soon. */
  #reserved: WorkerLink | undefined;

  get size(): number {
    return this.#waiting.length;
  }

  add(task: PoolTask): void {
    this.#waiting.push(task);
  }

  remove(task: PoolTask): void {
    const at = this.#waiting.indexOf(task);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Takes all out. */
  drain(): PoolTask[] {
    return this.#waiting.splice(0);
  }

  /** Whether other tasks may be sent there. */
  isFree(link: WorkerLink): boolean {
    return !link.isQuarantined && link !== this.#reserved;
  }

  /** Sends as many as there are processes with nothing else to do; one process at least is left to other tasks. */
  place(links: readonly WorkerLink[], send: (link: WorkerLink, task: PoolTask) => void): void {
    this.#reserved = undefined;
    let allowed = Math.max(1, links.length - 1) - links.filter(link => link.isQuarantined).length;
    const idle = links.filter(link => link.outstanding === 0);
    while (this.#waiting.length > 0 && allowed > 0 && idle.length > 0) {
      const link = idle.pop() as WorkerLink;
      const task = this.#waiting.shift() as PoolTask;
      link.suspect = task;
      send(link, task);
      allowed--;
    }
    if (this.#waiting.length === 0 || allowed <= 0) return;
    const candidates = links.filter(link => !link.isQuarantined);
    this.#reserved = candidates.sort((a, b) => a.outstanding - b.outstanding)[0];
  }
}
