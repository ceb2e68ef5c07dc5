/** What a master and its worker process tell each other over Node's IPC: control only, never tasks. */

import type { ResourceLimits } from 'node:worker_threads';
import type { SectionConfig } from '../config/types.ts';
import type { Statistics } from './statistics.ts';

/** The socketpair on which tasks come and their results go; the worker's fd of this number. */
export const tasksFd = 5;

/** The worker's fd of the first listening socket; the others follow, in the order of `bind`. */
export const firstListenerFd = 6;

/** A listening socket that the master has bound, for any server: `server.listen(listener)`. */
export interface Listener {
  readonly fd: number;
  /** As in `bind`, but with the port that it really has: `127.0.0.1:8080`, `unix:/run/app.sock`. */
  readonly address: string;
  /** Connections that may wait to be accepted. `listen()` takes it as a second argument. */
  readonly backlog: number;
}

/** What the caller of `createPool()` gives to the threads. */
export interface ThreadOptions {
  readonly workerData?: unknown;
  readonly resourceLimits?: ResourceLimits | undefined;
}

/** A task that a thread has begun, as heartbeats and stack dumps show it. */
export interface RunningTask {
  readonly name: string;
  readonly threadId: number;
  /** Milliseconds since the thread began it. */
  readonly age: number;
}

/** An error on its way to the master: text only, so that nothing of it can fail to arrive. */
export interface ErrorReport {
  /** First line for a log: `TypeError: x is not a function`. */
  readonly message: string;
  /** What a person wants to read: the stack without our frames and Node's, causes included. */
  readonly details: string;
  /** Of an error of ours. */
  readonly code?: string | undefined;
}

/** How TypeScript becomes JavaScript: by Node itself, by the master before the boot, or by tsx in each thread. */
export type TypescriptLoader = 'native' | 'compiled' | 'tsx';

/** Where the task module comes from. */
export interface ModuleSource {
  /** Absolute path of the user's file. */
  readonly task: string;
  /** Absolute path of what is to be imported: the same, or the JavaScript that was made of it. */
  readonly entry: string;
  readonly loader?: TypescriptLoader | undefined;
}

/** `run` serves; `check` only loads the task module, says what it found and exits. */
export type BootMode = 'run' | 'check';

export interface BootMessage {
  readonly type: 'boot';
  readonly mode: BootMode;
  readonly config: SectionConfig;
  readonly module: ModuleSource;
  /** 1…N, unique among the worker processes of a group that serve at the same time. */
  readonly index: number;
  readonly generation: number;
  readonly threadOptions: ThreadOptions;
  readonly listeners: readonly Listener[];
}

/** Before the worker is asked to stop: who waits at these sockets will find nobody else. */
export interface ClosingMessage {
  readonly type: 'closing';
  /** `seal`: the socket itself ends, as no other process holds it. */
  readonly listeners: readonly { readonly fd: number; readonly seal: boolean }[];
}

export type MasterMessage = BootMessage | ClosingMessage;

/** Of a worker process that consumes a queue. */
export interface QueueState {
  /** Whether its server answers and lets jobs be taken. */
  readonly connected: boolean;
  /** Why not, for people. */
  readonly reason?: string;
}

export interface Heartbeat {
  readonly type: 'heartbeat';
  /** Bytes. */
  readonly rss: number;
  readonly running: readonly RunningTask[];
  /** Tasks that wait for a thread. */
  readonly queued: number;
  /** Open ones of servers on the listening sockets, and the requests on them that are being answered. */
  readonly connections: number;
  readonly requests: number;
  readonly statistics: Statistics;
  /** Where its section has a `queue`. */
  readonly queue?: QueueState | undefined;
}

export type WorkerMessage =
  | Heartbeat
  | { readonly type: 'ready' }
  | { readonly type: 'boot-failed'; readonly error: ErrorReport }
  /** It begins its graceful end, whoever asked for it: what has been sent by then is the last that it takes. */
  | { readonly type: 'draining' }
  /** What its main thread threw, and which ends it. */
  | { readonly type: 'failed'; readonly error: ErrorReport }
  /** What a thread threw outside of any task. */
  | { readonly type: 'thread-error'; readonly error: ErrorReport }
  /** The worker has served `max_requests` and asks for its replacement; it goes on until that is ready. */
  | { readonly type: 'retire'; readonly reason: string };

/** How often a worker says that it lives, in ms: often enough that several are lost before `timeout` ends it. */
export function heartbeatInterval(timeout: number): number {
  return timeout === 0 ? 1000 : Math.min(1000, Math.max(20, timeout / 5));
}
