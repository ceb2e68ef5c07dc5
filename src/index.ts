/** The public API of ProcessHandler. */

export type { Listener } from './channel/control.ts';
export type { SectionConfig } from './config/types.ts';
export { type ControlClient, type ControlOptions, connect } from './control/client.ts';
export type { SectionStatus, Status, WorkerStatus } from './control/protocol.ts';
export type {
  ProcessExitMessage,
  ProcessMessage,
  RpcTrace,
  TaskRunTrace,
  TaskTrace,
} from './diagnostics.ts';
export * from './errors.ts';
export { createPool, type Pool } from './pool/create-pool.ts';
export { move } from './pool/move.ts';
export type { PoolEvents, PoolStats, ProcessExit, ProcessInfo, ProcessStats } from './pool/pool-events.ts';
export type { PoolOptions } from './pool/pool-options.ts';
export type { TimeSummary } from './pool/times.ts';
export type {
  BroadcastOptions,
  MapOptions,
  RunOptions as TaskOptions,
  StreamItem,
  StreamName,
  StreamOptions,
  TaskName,
  TaskPayload,
  TaskPoolApi,
  TaskResult,
  UntypedModule,
} from './pool/types.ts';
export { QueueWorker } from './queue/queue-worker.ts';
export { createClient, type RpcClientOptions } from './rpc/client.ts';
export type { Json, RpcCallOptions, RpcClient, RpcClientApi, RpcFunction } from './rpc/client-types.ts';
export type { RpcCall, RpcMethod, RpcMethods, RpcOutcome } from './rpc/methods.ts';
export { RpcCode, type RpcId } from './rpc/protocol.ts';
export { type RpcAnswerOptions, RpcWorker } from './rpc/rpc-worker.ts';
export type { TaskContext, TaskJob, TaskProgress } from './worker/task-module.ts';
export { type RunOptions, SyncWorker, type TaskPool, Worker, type WorkerContext } from './worker/worker.ts';
