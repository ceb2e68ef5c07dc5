/** The first worker of a new generation, before anybody relies on it: a reload is only carried out once it is ready. */

import type { SectionConfig } from '../config/types.ts';
import { withResolvers } from '../promise.ts';
import type { Launch } from './launch.ts';
import type { ListeningSocket } from './spawn.ts';
import type { WorkerProcess } from './worker-process.ts';

/** What workers are started from; a reload makes the next one. */
export interface Generation {
  readonly number: number;
  readonly config: SectionConfig;
  readonly launch: Launch;
  readonly sockets: readonly ListeningSocket[];
}

export class Candidate {
  readonly generation: Generation;
  readonly worker: WorkerProcess;
  /** How many workers there are to be; whoever scales in the meantime means this number too. */
  desired: number;
  readonly #booted = withResolvers<void>();

  constructor(generation: Generation, worker: WorkerProcess) {
    this.generation = generation;
    this.worker = worker;
    this.desired = generation.config.numberWorkers;
    worker.on('ready', () => this.#booted.resolve());
  }

  /** Resolves when it is ready, rejects with what `fail` was given. */
  get booted(): Promise<void> {
    return this.#booted.promise;
  }

  fail(error: Error): void {
    this.#booted.reject(error);
  }
}
