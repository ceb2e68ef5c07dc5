/** The classes that a task module may extend and default-export. */

import type { Server } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Listener, QueueState } from '../channel/control.ts';
import type { SectionConfig } from '../config/types.ts';
import type { JobThreads } from '../queue/job-threads.ts';
import type { RpcThreads } from '../rpc/thread-call.ts';
import type { TaskFunction } from './task-module.ts';

export interface RunOptions {
  /** Name of an exported function of the task module. Default: `default`, its default export. */
  readonly name?: string;
  /** Aborting takes a waiting task out of the queue and ends the thread of a running one. */
  readonly signal?: AbortSignal;
  /** Longest run, ms; it does not count the wait for a thread. Default: `task_timeout`; 0: none. */
  readonly timeout?: number;
}

/** The threads of a worker process. */
export interface TaskPool {
  /**
   * Runs an exported function of the task module on a thread. Payload and result are structured clones.
   *
   * Rejects with the task's own error; `TaskTimeoutError` and `QueueTimeoutError` beyond `task_timeout` and
   * `queue_timeout`; `QueueFullError` beyond `max_queue`; `ThreadExitError` when the thread ended under it;
   * `UnknownTaskError`; `NoThreadsError` with `threads = 0`; `DataCloneError` for a value that cannot be cloned;
   * `AbortError`.
   */
  run<Result = unknown>(payload?: unknown, options?: RunOptions): Promise<Result>;
}

/** What the host gives to the constructor of a Worker. */
export interface WorkerContext {
  readonly config: SectionConfig;
  readonly logger: Logger;
  readonly pool: TaskPool;
  readonly signal: AbortSignal;
  readonly index: number;
  readonly countRequest: () => void;
  readonly listeners: readonly Listener[];
  readonly serve: (server: Server, listener: Listener | undefined) => Promise<void>;
  readonly tasks: ReadonlyMap<string, TaskFunction>;
  readonly rpcThreads: RpcThreads;
  /** An RPC call is over; `code`: `ok`, or that of the error that was answered. */
  readonly countRpc: (method: string, code: string) => void;
  readonly jobThreads: JobThreads;
  /** What heartbeats are to say of the queue. */
  readonly watchQueue: (state: () => QueueState) => void;
  /** Asks for a replacement, and goes on until that is ready. */
  readonly retire: (reason: string) => void;
}

export type WorkerClass = (new (context: WorkerContext) => Worker) & { readonly loggerName?: string };

// A global symbol, because the user's module may load another copy of this package than the `ph` that runs it.
const brand = Symbol.for('processhandler.Worker');

export function isWorkerClass(value: unknown): value is WorkerClass {
  return typeof value === 'function' && (value as { [brand]?: unknown })[brand] === true;
}

/**
 * The main thread of a worker process. `setup()` and `initProcess()` run once, then the process is ready and `run()`
 * begins; `stop()` is called when it has returned. An error in one of the first two is a boot failure, an error in
 * `run()` a crash: the process exits without `stop()` and is replaced.
 */
export class Worker {
  static readonly [brand] = true;
  /** Name in the log lines of `this.logger`. Default: the section. */
  static readonly loggerName?: string;

  /** The section's keys, typed: durations in ms, sizes in bytes. Own keys are texts in `config.settings`. */
  readonly config: SectionConfig;
  readonly logger: Logger;
  readonly pool: TaskPool;
  /**
   * Aborted when draining begins: finish what is in hand and begin nothing new. A `run()` or `handleRequest()` that
   * rejects because of it has drained; it is no crash.
   */
  readonly signal: AbortSignal;
  /** 1…N within the section; a replacement has the index of what it replaces. */
  readonly index: number;
  /** The listening sockets of the section, in the order of `bind`; none without it. */
  readonly listeners: readonly Listener[];
  readonly #countRequest: () => void;
  readonly #serve: WorkerContext['serve'];

  constructor(context: WorkerContext) {
    this.config = context.config;
    this.logger = context.logger;
    this.pool = context.pool;
    this.signal = context.signal;
    this.index = context.index;
    this.listeners = context.listeners;
    this.#countRequest = context.countRequest;
    this.#serve = context.serve;
  }

  /** First: read `this.config`, check what is needed. */
  setup(): void | Promise<void> {}

  /** Second: open connections, load models, listen. */
  initProcess(): void | Promise<void> {}

  /** Serves until `this.signal` is aborted. A return before that is a clean exit of the process. */
  run(): void | Promise<void> {
    return new Promise(resolve => {
      if (this.signal.aborted) return resolve();
      this.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Last: close what was opened. It has what is left of `graceful_timeout`. */
  stop(): void | Promise<void> {}

  /** Counts one request for `max_requests`. */
  protected countRequest(): void {
    this.#countRequest();
  }

  /**
   * Listens with a server of `node:net`, `node:tls`, `node:http`, `node:https` or `node:http2` (of Fastify: `app.server`)
   * on one of `this.listeners`, and counts its requests for `max_requests`: HTTP requests, HTTP/2 streams, else
   * connections. When draining begins it stops accepting, answers what is in hand and ends connections without a
   * request; `stop()` is called after that, and `this.signal` tells those who have to end a connection themselves.
   * Several listeners take one server each; default: the first.
   *
   * Resolves when the server listens. Rejects with a `NoListenerError` without such a listener, with a
   * `ListenerTakenError` where it has a server already, and with the error of `listen()`.
   */
  protected serve(server: Server, ...given: [listener?: Listener | undefined]): Promise<void> {
    // One that is given and undefined is beyond those that there are, and not meant as the first.
    return this.#serve(server, given.length > 0 ? given[0] : this.listeners[0]);
  }

  /** Waits `ms`, or until draining begins if that is sooner. */
  protected async sleep(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.signal }).catch(() => {});
  }
}

/** Calls `handleRequest()` again and again, one round after another, until it is stopped. Each round is a request. */
export abstract class SyncWorker extends Worker {
  abstract handleRequest(): void | Promise<void>;

  override async run(): Promise<void> {
    while (!this.signal.aborted) {
      await this.handleRequest();
      this.countRequest();
      // A round without any wait would starve the heartbeats and signals of this process.
      await nextTurn();
    }
  }
}
