/** What a pool must be able to do to be measured. */

export interface Peer {
  readonly name: string;
  readonly kind: Kind;
  /** Pools are to start all workers at once where they can. */
  create(options: PoolOptions): Promise<Pool>;
}

export type Kind = 'threads' | 'processes' | 'both' | 'reference';

export interface PoolOptions {
  readonly workers: number;
  /** Payloads are bytes: JSON, which some pools use between processes, would not carry them. */
  readonly bytes: boolean;
  /** Further attempts of a task whose process ended, in a pool that lets one choose. */
  readonly retries: number;
}

export interface Pool {
  run(task: TaskName, payload: unknown): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Exports of `modules/tasks.mjs`. */
export type TaskName = 'tiny' | 'echo' | 'spin' | 'crash';

/** The URL of a file in `modules`. */
export const module = (name: string): URL => new URL(`../modules/${name}`, import.meta.url);
