/** The public API of ProcessHandler. */

export type { SectionConfig } from './config/types.ts';
export * from './errors.ts';
export type { TaskContext } from './worker/task-module.ts';
export { type RunOptions, SyncWorker, type TaskPool, Worker, type WorkerContext } from './worker/worker.ts';
