/** The main thread of a worker process: boots the task module and its Worker, serves, drains. */

import type { Server } from 'node:net';
import type { Logger } from 'pino';
import {
  type BootMessage,
  type ClosingMessage,
  type ErrorReport,
  heartbeatInterval,
  type Listener,
  type QueueState,
  type WorkerMessage,
} from '../channel/control.ts';
import type { SectionConfig } from '../config/types.ts';
import { QueueAndBindError, TaskModuleError, ThreadLoadError } from '../errors.ts';
import { createWorkerLogger } from '../log/worker-logger.ts';
import { reportError } from './error-report.ts';
import { takeIdentity } from './identity.ts';
import { Servers } from './servers.ts';
import { WorkerStatistics } from './statistics.ts';
import { loadTaskModule, type TaskModule } from './task-module.ts';
import { TaskServer } from './task-server.ts';
import { Threads } from './threads.ts';
import { startWatchdog } from './watchdog.ts';
import { SyncWorker, Worker, type WorkerClass } from './worker.ts';

type HostState = 'starting' | 'ready' | 'draining' | 'exiting';

export class Host {
  readonly #boot: BootMessage;
  readonly #config: SectionConfig;
  readonly #drain = new AbortController();
  readonly #retireAfter: number;
  readonly #servers: Servers;
  readonly #statistics: WorkerStatistics;
  #logger: Logger;
  #state: HostState = 'starting';
  #threads: Threads | undefined;
  #server: TaskServer | undefined;
  #requests = 0;
  /** Bytes. */
  #rss = 0;
  #queue: (() => QueueState) | undefined;

  constructor(boot: BootMessage) {
    this.#boot = boot;
    this.#config = boot.config;
    this.#logger = this.#createLogger(boot.config.name);
    const { maxRequests, maxRequestsJitter } = boot.config;
    this.#retireAfter = maxRequests && maxRequests + Math.round(Math.random() * maxRequestsJitter);
    this.#servers = new Servers(boot.config.name, () => ({
      logger: this.#logger,
      countRequest: () => this.#countRequests(1),
      gracefulTimeout: boot.config.gracefulTimeout,
    }));
    this.#statistics = new WorkerStatistics(this.#servers);
    process.on('uncaughtException', error => this.#crash(error));
  }

  /** Boots, serves until drained, exits. Never returns before the process ends. */
  async run(): Promise<void> {
    let worker: Worker;
    try {
      worker = await this.#start();
    } catch (error) {
      return this.#failBoot(error);
    }
    if (this.#boot.mode === 'check') return this.#exit(0);
    try {
      if (this.#state === 'ready') await this.#serve(worker);
      // Also where it ends by itself.
      this.drain();
      await Promise.all([this.#server?.drained, this.#servers.drain()]);
      await worker.stop();
      await this.#threads?.close();
      await this.#server?.close();
    } catch (error) {
      return this.#crash(error);
    }
    await this.#beat();
    this.#exit(0);
  }

  /** Begins the graceful end: `signal` aborts, what is in hand is finished, then the process exits. */
  drain(): void {
    if (this.#state !== 'ready' && this.#state !== 'starting') return;
    this.#state = 'draining';
    void this.#tell({ type: 'draining' });
    // If the end takes too long, the master can say what it cuts off.
    void this.#beat();
    void this.#servers.drain();
    this.#drain.abort();
  }

  onClosing(message: ClosingMessage): void {
    this.#servers.onClosing(message);
  }

  /** Ends also when `run()` was cut short by `this.signal`: whatever got it has then been told to give up. */
  async #serve(worker: Worker): Promise<void> {
    const { signal } = this.#drain;
    try {
      await worker.run();
    } catch (error) {
      const isAbort = error === signal.reason || (error instanceof Error && error.name === 'AbortError');
      if (!signal.aborted || !isAbort) throw error;
    }
  }

  async #start(): Promise<Worker> {
    const { config, index, module: source } = this.#boot;
    takeIdentity(config, index);
    // The threads load the module while the main thread does.
    const threads = new Threads(
      this.#isCheck ? { ...config, threads: 0 } : config,
      source,
      {
        onError: error => this.#onThreadError(error),
        onBroken: error => this.#crash(error),
        onRecords: (bytes, blobs) => this.#server?.send(bytes, blobs),
        onEnded: count => this.#countRequests(count),
      },
      this.#boot.threadOptions,
    );
    this.#threads = threads;
    if (!this.#isCheck) this.#server = new TaskServer(threads);
    // After the pool's threads, which the boot waits for, and before the user's code, which may never return.
    startWatchdog();
    // What the main thread says of a module that does not load says most.
    threads.loaded.catch(() => {});
    const module = await loadTaskModule(source);
    threads.taskNames = [...module.tasks.keys()];
    await threads.loaded;
    const worker = this.#isCheck
      ? await this.#checkWorker(module, threads)
      : await this.#startWorker(module, threads);
    await this.#tell({ type: 'ready' });
    if (this.#state === 'starting') this.#state = 'ready';
    return worker;
  }

  get #isCheck(): boolean {
    return this.#boot.mode === 'check';
  }

  async #startWorker(module: TaskModule, threads: Threads): Promise<Worker> {
    const WorkerClass = module.workerClass ?? (await this.#defaultClass());
    if (WorkerClass.loggerName) this.#logger = this.#createLogger(WorkerClass.loggerName);
    const worker = new WorkerClass(this.#context(module, threads));
    if (worker instanceof SyncWorker && typeof worker.handleRequest !== 'function') {
      throw new TaskModuleError(`class ${WorkerClass.name} extends SyncWorker and has no handleRequest()`);
    }
    await worker.setup();
    await worker.initProcess();
    void this.#beat();
    setInterval(() => void this.#beat(), heartbeatInterval(this.#config.timeout));
    return worker;
  }

  /** Where there is an address to serve on, every task module is a service; where there is a queue, a consumer of it. */
  async #defaultClass(): Promise<WorkerClass> {
    const { bind, queue, name } = this.#config;
    if (bind && queue !== undefined) throw new QueueAndBindError(name);
    if (bind) return (await import('../rpc/rpc-worker.ts')).RpcWorker;
    return queue === undefined ? Worker : (await import('../queue/queue-worker.ts')).QueueWorker;
  }

  /** Nothing of the user's is begun: only what the configuration says against it can be told. */
  async #checkWorker(module: TaskModule, threads: Threads): Promise<Worker> {
    const { isRpcWorkerClass } = await import('../rpc/rpc-worker.ts');
    const WorkerClass = module.workerClass ?? (await this.#defaultClass());
    if (isRpcWorkerClass(WorkerClass)) (await import('../rpc/exposure.ts')).checkExposure(this.#config);
    const { isQueueWorkerClass } = await import('../queue/queue-worker.ts');
    if (isQueueWorkerClass(WorkerClass)) (await import('../queue/packages.ts')).loadBullmq(this.#config);
    return new Worker(this.#context(module, threads));
  }

  #context({ tasks }: TaskModule, threads: Threads) {
    return {
      config: this.#config,
      logger: this.#logger,
      pool: threads,
      signal: this.#drain.signal,
      index: this.#boot.index,
      countRequest: () => this.#countRequests(1),
      countRpc: (method: string, code: string) => this.#statistics.rpc.count(method, code),
      listeners: this.#boot.listeners,
      serve: (server: Server, listener: Listener | undefined) => this.#servers.serve(server, listener),
      tasks,
      rpcThreads: threads,
      jobThreads: threads,
      watchQueue: (state: () => QueueState) => {
        this.#queue = state;
      },
      retire: (reason: string) => void this.#tell({ type: 'retire', reason }),
    };
  }

  #countRequests(count: number): void {
    const before = this.#requests;
    this.#requests += count;
    const isDue = before < this.#retireAfter && this.#requests >= this.#retireAfter;
    if (isDue) void this.#tell({ type: 'retire', reason: 'max_requests' });
  }

  #onThreadError(error: unknown): void {
    this.#logger.error({ err: error }, 'a thread failed outside of a task');
    void this.#tell({ type: 'thread-error', error: reportError(error) });
  }

  /** Resolves when it has been handed over. */
  #beat(): Promise<void> {
    try {
      this.#rss = process.memoryUsage.rss();
    } catch {
      // Where connections have taken all file descriptors, what it was before will do.
    }
    return this.#tell({
      type: 'heartbeat',
      rss: this.#rss,
      running: this.#threads?.running ?? [],
      queued: this.#threads?.queued ?? 0,
      connections: this.#servers.connections,
      requests: this.#servers.requests,
      statistics: this.#statistics.read(this.#threads?.counts),
      queue: this.#queue?.(),
    });
  }

  async #failBoot(error: unknown): Promise<void> {
    const report: ErrorReport =
      error instanceof ThreadLoadError
        ? { message: `on a thread: ${error.message}`, details: error.details }
        : reportError(error);
    await this.#tell({ type: 'boot-failed', error: report });
    this.#exit(1);
  }

  #crash(error: unknown): void {
    if (this.#state === 'exiting') return;
    if (this.#state === 'starting') return void this.#failBoot(error);
    this.#state = 'exiting';
    this.#logger.fatal({ err: error }, 'the worker failed');
    void this.#beat();
    void this.#tell({ type: 'failed', error: reportError(error) }).then(() => this.#exit(1));
  }

  #exit(code: number): void {
    this.#state = 'exiting';
    process.exit(code);
  }

  #createLogger(name: string): Logger {
    return createWorkerLogger({
      name,
      section: this.#config.name,
      index: this.#boot.index,
      level: this.#config.logLevel,
    });
  }

  /** Resolves when the message has been handed over, or cannot be any more. */
  #tell(message: WorkerMessage): Promise<void> {
    return new Promise(resolve => {
      if (!process.connected) return resolve();
      process.send?.(message, undefined, undefined, () => resolve());
    });
  }
}
