/**
 * Tasks that wait for a worker process: by priority, then by age. A level of priority is worth one second of waiting,
 * so that nothing starves behind a stream of more important tasks.
 */

import type { PoolTask } from './pool-task.ts';

/** Ms of waiting that make up for one level of priority. */
export const ageing = 1000;

export class TaskQueue {
  /** Highest priority first. */
  readonly #levels: Level[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(task: PoolTask): void {
    this.#level(task.priority).push(task);
    this.#size++;
  }

  /** Of a task that has been in the queue before. */
  unshift(task: PoolTask): void {
    this.#level(task.priority).unshift(task);
    this.#size++;
  }

  /** The task that is next. */
  peek(): PoolTask | undefined {
    return this.#next()?.first;
  }

  shift(): PoolTask | undefined {
    const level = this.#next();
    const task = level?.first;
    if (level && task) this.#removeFrom(level, task);
    return task;
  }

  remove(task: PoolTask): void {
    const level = this.#levels.find(({ priority }) => priority === task.priority);
    if (level) this.#removeFrom(level, task);
  }

  /** Takes all out. */
  *drain(): Generator<PoolTask> {
    for (let task = this.shift(); task; task = this.shift()) yield task;
  }

  #removeFrom(level: Level, task: PoolTask): void {
    if (!level.remove(task)) return;
    this.#size--;
    // There may be as many priorities as tasks.
    if (!level.first && this.#levels.length > 1) this.#levels.splice(this.#levels.indexOf(level), 1);
  }

  #level(priority: number): Level {
    const at = this.#levels.findIndex(level => level.priority <= priority);
    const found = this.#levels[at];
    if (found?.priority === priority) return found;
    const level = new Level(priority);
    this.#levels.splice(at < 0 ? this.#levels.length : at, 0, level);
    return level;
  }

  #next(): Level | undefined {
    const [only] = this.#levels;
    if (this.#levels.length === 1) return only?.first && only;
    let best: Level | undefined;
    let bestTime = Number.POSITIVE_INFINITY;
    for (const level of this.#levels) {
      if (!level.first) continue;
      const time = level.first.submittedAt - level.priority * ageing;
      if (time < bestTime) [best, bestTime] = [level, time];
    }
    return best;
  }
}

/** The tasks of one priority in their order, linked so that any of them can leave at once. */
class Level {
  readonly priority: number;
  first: PoolTask | undefined;
  #last: PoolTask | undefined;

  constructor(priority: number) {
    this.priority = priority;
  }

  push(task: PoolTask): void {
    task.previous = this.#last;
    if (this.#last) this.#last.next = task;
    else this.first = task;
    this.#last = task;
  }

  unshift(task: PoolTask): void {
    task.next = this.first;
    if (this.first) this.first.previous = task;
    else this.#last = task;
    this.first = task;
  }

  remove(task: PoolTask): boolean {
    if (!task.previous && this.first !== task) return false;
    if (task.previous) task.previous.next = task.next;
    else this.first = task.next;
    if (task.next) task.next.previous = task.previous;
    else this.#last = task.previous;
    task.previous = task.next = undefined;
    return true;
  }
}
