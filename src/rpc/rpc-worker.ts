/** The Worker of a section that serves JSON-RPC. */

import type { IncomingMessage } from 'node:http';
import { NoThreadsError } from '../errors.ts';
import type { TaskFunction } from '../worker/task-module.ts';
import { Worker, type WorkerContext } from '../worker/worker.ts';
import { methodsOfTasks, type RpcCall, type RpcMethods, type RpcOutcome, readMethods } from './methods.ts';
import { unknownMethod } from './rpc-counts.ts';
import type { RpcService } from './service.ts';
import type { RpcThreads } from './thread-call.ts';
import type { Token } from './token.ts';

/** Of an answer to what came another way than by HTTP. */
export interface RpcAnswerOptions {
  /** Aborted when nobody waits for the answer any more: what runs for it is ended. */
  readonly signal?: AbortSignal | undefined;
}

const brand = Symbol.for('processhandler.RpcWorker');

export function isRpcWorkerClass(value: unknown): boolean {
  return typeof value === 'function' && (value as { [brand]?: unknown })[brand] === true;
}

/**
 * Serves tasks as JSON-RPC 2.0 over HTTP on every listener of the section. A module with tasks and without a Worker class
 * has it where `bind` is set; extend it for methods with state, authorization, hooks around calls, other transports.
 */
export class RpcWorker extends Worker {
  static readonly [brand] = true;
  /** The exported functions of the task module, by name. */
  protected readonly tasks: ReadonlyMap<string, TaskFunction>;
  readonly #threads: RpcThreads;
  readonly #count: WorkerContext['countRpc'];
  #service: Promise<RpcService> | undefined;
  #token: Token | undefined;

  constructor(context: WorkerContext) {
    super(context);
    this.tasks = context.tasks;
    this.#threads = context.rpcThreads;
    this.#count = context.countRpc;
  }

  /**
   * The methods of the service, by name; called once, after `setup()`. A text names the task that runs on a thread, a
   * function runs on the main thread of this process: it may keep state, and hand work to `this.pool`. Default: each task
   * under its own name, but for generators.
   */
  methods(): RpcMethods {
    return methodsOfTasks(this.tasks);
  }

  /**
   * Whether the sender of an HTTP request may call methods; false answers 401. Called for each request, before its body is
   * read. Default: whether it carries `rpc_token`, where that is set.
   */
  authorize(request: IncomingMessage): boolean | Promise<boolean> {
    return this.#token === undefined || this.#token.isIn(request.headers.authorization);
  }

  /** Before each call. What it throws is the answer, and the method is not run. */
  beforeCall(_call: RpcCall): void | Promise<void> {}

  /** After each call, when its answer is on its way. */
  afterCall(_call: RpcCall, _outcome: RpcOutcome): void | Promise<void> {}

  /** Serves on every listener. Whoever overrides it calls it, or serves another transport with `answer()`. */
  override async initProcess(): Promise<void> {
    const { config } = this;
    // Loaded here, since each thread whose task module imports this package would pay for it.
    const [{ HttpFront }, { checkExposure, checkServer }, { Token }] = await Promise.all([
      import('./http.ts'),
      import('./exposure.ts'),
      import('./token.ts'),
    ]);
    checkExposure(config);
    if (config.rpcToken !== undefined) this.#token = new Token(config.rpcToken);
    const front = new HttpFront({
      service: await this.#startService(),
      config,
      authorize: request => this.authorize(request),
      onError: error => this.logger.error({ err: error }, 'authorize() failed'),
      onFurtherCalls: count => {
        for (let i = 0; i < count; i++) this.countRequest();
      },
      onRefused: code => this.#count(unknownMethod, String(code)),
      draining: this.signal,
    });
    if (this.listeners.length === 0) this.logger.warn('there is no address to serve on: bind is not set');
    for (const listener of this.listeners) {
      const server = front.createServer();
      await this.serve(server, listener);
      checkServer(config, server);
    }
  }

  /**
   * Answers a call or a batch of calls that came another way than by HTTP: with JSON, or with undefined where there is
   * nothing to be answered. `authorize()` is not asked. Rejects when `signal` is aborted, with its reason.
   */
  protected async answer(
    body: string | Uint8Array,
    { signal }: RpcAnswerOptions = {},
  ): Promise<string | undefined> {
    const service = await this.#startService();
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const onAbort = () => {
        exchange.cancel();
        reject(signal?.reason);
      };
      const exchange = service.answer(Buffer.from(body as Uint8Array), undefined, ({ text }) => {
        signal?.removeEventListener('abort', onAbort);
        resolve(text?.toString());
      });
      if (!exchange.isOver) signal?.addEventListener('abort', onAbort);
    });
  }

  #startService(): Promise<RpcService> {
    this.#service ??= this.#createService();
    return this.#service;
  }

  async #createService(): Promise<RpcService> {
    const [{ RpcService }, { describeService }] = await Promise.all([
      import('./service.ts'),
      import('./discover.ts'),
    ]);
    const { config, logger } = this;
    const methods = readMethods(this.methods(), this.tasks, config.taskTimeout);
    const all = [...methods.values()];
    if (config.threads === 0 && all.some(method => 'task' in method)) throw new NoThreadsError();
    const base = RpcWorker.prototype;
    return new RpcService({
      methods,
      describe: () => describeService(config.name, all),
      threads: this.#threads,
      limits: { ...config, maxBatch: config.rpcMaxBatch },
      hooks: {
        // Where there are none, a call is cheaper.
        beforeCall: this.beforeCall === base.beforeCall ? undefined : call => this.beforeCall(call),
        afterCall:
          this.afterCall === base.afterCall ? undefined : (call, outcome) => this.afterCall(call, outcome),
        onError: error => logger.error({ err: error }, 'afterCall() failed'),
      },
      reporting: { logger, stacks: config.rpcStacks, count: this.#count },
    });
  }
}
