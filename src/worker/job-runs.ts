/** The jobs of a queue that the threads of this process run: each from when it is handed in until it is over. */

import type { TaskCall } from '../channel/tasks.ts';
import { timeLimit } from '../channel/time-limit.ts';
import type { Job, JobRun } from '../queue/job-threads.ts';
import { JobTask, type JobTaskEvents } from './job-task.ts';
import type { JobNews } from './thread-protocol.ts';

/** The threads, as far as jobs need them. */
export interface JobRunner {
  readonly submit: (tasks: readonly JobTask[]) => void;
  /** Takes it out if no thread has begun it; returns whether it could. */
  readonly recall: (id: number) => boolean;
  /** Whether it has ended, and its result is on its way. */
  readonly hasEnded: (id: number) => boolean;
  readonly cancel: (id: number) => void;
}

export class JobRuns {
  readonly #timeout: number;
  readonly #runner: JobRunner;
  /** By the id of the task. */
  readonly #tasks = new Map<number, JobTask>();
  #toSubmit: JobTask[] = [];
  /** By name: a call that is the same travels once. */
  readonly #calls = new Map<string, TaskCall>();
  readonly #events: JobTaskEvents = {
    takeBack: task => this.#unsubmit(task) || this.#runner.recall(task.id),
    cancel: task => {
      if (this.#unsubmit(task)) return true;
      if (this.#runner.hasEnded(task.id)) return false;
      this.#runner.cancel(task.id);
      return true;
    },
    onOver: ({ id }) => this.#tasks.delete(id),
  };

  /** `taskTimeout`: ms; 0: none. */
  constructor(taskTimeout: number, runner: JobRunner) {
    this.#timeout = timeLimit(taskTimeout);
    this.#runner = runner;
  }

  start(data: unknown, job: Job): JobRun {
    const task = new JobTask(this.#callOf(job.name), data, job, this.#events);
    this.#tasks.set(task.id, task);
    // Those of a turn of the event loop travel together.
    if (this.#toSubmit.push(task) === 1) setImmediate(() => this.#submit());
    return task;
  }

  /** The task `id` has said something of its job. */
  onNews(id: number, news: JobNews): void {
    this.#tasks.get(id)?.onNews(news);
  }

  #callOf(name: string): TaskCall {
    const known = this.#calls.get(name);
    if (known) return known;
    const call: TaskCall = { name, kind: 'job', timeout: this.#timeout, attempt: 1 };
    this.#calls.set(name, call);
    return call;
  }

  #submit(): void {
    const tasks = this.#toSubmit;
    this.#toSubmit = [];
    this.#runner.submit(tasks);
  }

  #unsubmit(task: JobTask): boolean {
    const at = this.#toSubmit.indexOf(task);
    if (at >= 0) this.#toSubmit.splice(at, 1);
    return at >= 0;
  }
}
