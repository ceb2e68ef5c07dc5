/** The thread pool of a worker process: Piscina, with time-outs, causes and sight of what runs. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { ErrorReport, ModuleSource, RunningTask } from '../channel/control.ts';
import { decodeThrown } from '../channel/error-value.ts';
import type { SectionConfig } from '../config/types.ts';
import {
  NoThreadsError,
  QueueFullError,
  QueueTimeoutError,
  TaskTimeoutError,
  ThreadExitError,
  ThreadLoadError,
  UnknownTaskError,
} from '../errors.ts';
import { withResolvers } from '../promise.ts';
import { reportError } from './error-report.ts';
import type { ThreadCall, ThreadMessage, ThreadReply } from './thread-protocol.ts';
import type { RunOptions, TaskPool } from './worker.ts';

const threadMain = fileURLToPath(import.meta.resolve('./thread-main.js'));
const mebibyte = 2 ** 20;

export type ThreadsConfig = Pick<
  SectionConfig,
  'threads' | 'maxThreadMemory' | 'maxQueue' | 'taskTimeout' | 'queueTimeout'
>;

export interface ThreadsEvents {
  /** What a thread threw outside of any task. */
  readonly onError: (error: unknown) => void;
  /** A thread could not be replaced: from now on the pool has fewer. */
  readonly onBroken: (error: ThreadLoadError) => void;
}

export class Threads implements TaskPool {
  readonly #config: ThreadsConfig;
  readonly #piscina: Piscina | undefined;
  readonly #calls = new Map<number, Call>();
  #taskNames: readonly string[] = [];
  /** Resolves when every thread has loaded the task module; rejects with a `ThreadLoadError`. */
  readonly loaded: Promise<void>;
  #nextId = 1;
  #closing = false;

  /** Starts all threads. */
  constructor(config: ThreadsConfig, source: ModuleSource, events: ThreadsEvents) {
    this.#config = config;
    const { promise, resolve, reject } = withResolvers<void>();
    this.loaded = promise;
    if (config.threads === 0) {
      resolve();
      return;
    }

    const piscina = new Piscina({
      filename: threadMain,
      minThreads: config.threads,
      maxThreads: config.threads,
      workerData: source,
      ...(config.maxThreadMemory > 0 && {
        resourceLimits: {
          maxOldGenerationSizeMb: Math.max(1, Math.floor(config.maxThreadMemory / mebibyte)),
        },
      }),
    });
    this.#piscina = piscina;
    let toLoad = config.threads;
    const failLoad = (report: ErrorReport) => {
      if (toLoad > 0) reject(new ThreadLoadError(report));
      else events.onBroken(new ThreadLoadError(report));
    };
    piscina.on('error', error => (toLoad > 0 ? failLoad(reportThreadEnd(error)) : events.onError(error)));
    // A thread that exits says nothing; one that failed has the word first. Piscina starts no other thread in the
    // place of one that ended before it was ready, and would wait for ever once all have.
    piscina.on('workerDestroy', () =>
      setImmediate(() => {
        const isMissing = toLoad > 0 || piscina.threads.length < config.threads;
        if (isMissing && !this.#closing) failLoad(reportThreadEnd(undefined));
      }),
    );
    piscina.on('message', (message: ThreadMessage) => {
      switch (message.type) {
        case 'begun':
          this.#calls.get(message.id)?.begin(message.threadId);
          break;
        case 'loaded':
          this.#taskNames = message.tasks;
          if (--toLoad === 0) resolve();
          break;
        case 'load-failed':
          failLoad(message.error);
          break;
      }
    });
  }

  get running(): readonly RunningTask[] {
    return [...this.#calls.values()].flatMap(call => call.running ?? []);
  }

  get queued(): number {
    return this.#piscina?.queueSize ?? 0;
  }

  async run<Result = unknown>(payload?: unknown, options: RunOptions = {}): Promise<Result> {
    if (typeof options !== 'object' || options === null) {
      throw new TypeError(
        "the options of run(payload, options) must be an object, such as { name: 'square' }",
      );
    }
    const { name = 'default', signal, timeout = this.#config.taskTimeout } = options;
    if (!(timeout >= 0)) throw new RangeError(`timeout must be a number of milliseconds, not ${timeout}`);
    const { maxQueue, queueTimeout } = this.#config;
    if (!this.#piscina) throw new NoThreadsError();
    if (!this.#taskNames.includes(name)) throw new UnknownTaskError(name, this.#taskNames);
    if (maxQueue > 0 && this.queued >= maxQueue) throw new QueueFullError(maxQueue);

    const call = new Call(name, { timeout, queueTimeout, signal });
    const id = this.#nextId++;
    this.#calls.set(id, call);
    const message: ThreadCall = { id, name, payload };
    try {
      const reply: ThreadReply = await this.#piscina.run(message, { signal: call.signal });
      if ('thrown' in reply) throw decodeThrown(reply.thrown);
      return reply.result as Result;
    } catch (error) {
      throw call.explain(error);
    } finally {
      this.#calls.delete(id);
      call.end();
    }
  }

  /** Resolves when what was begun and what waits has ended. */
  async close(): Promise<void> {
    // Piscina's own close() ends threads that still have work.
    while (this.#calls.size > 0) {
      await Promise.all([...this.#calls.values()].map(({ ended }) => ended.promise));
      // Who waited for the last result may ask for more.
      await nextTurn();
    }
    this.#closing = true;
    await this.#piscina?.destroy();
  }
}

/** One call of `run()`: its clocks, and why it was given up. */
class Call {
  readonly ended = withResolvers<void>();
  readonly #name: string;
  readonly #timeout: number;
  readonly #controller = new AbortController();
  readonly #userSignal: AbortSignal | undefined;
  #begun: { at: number; threadId: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  #limit: TaskTimeoutError | QueueTimeoutError | undefined;

  constructor(
    name: string,
    limits: { timeout: number; queueTimeout: number; signal: AbortSignal | undefined },
  ) {
    this.#name = name;
    this.#timeout = limits.timeout;
    this.#userSignal = limits.signal;
    if (limits.signal?.aborted) this.#onUserAbort();
    limits.signal?.addEventListener('abort', this.#onUserAbort, { once: true });
    this.#setTimer(limits.queueTimeout, () => new QueueTimeoutError(name, limits.queueTimeout));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get running(): RunningTask | undefined {
    if (!this.#begun) return undefined;
    const { at, threadId } = this.#begun;
    return { name: this.#name, threadId, age: Math.round(performance.now() - at) };
  }

  begin(threadId: number): void {
    this.#begun = { at: performance.now(), threadId };
    this.#setTimer(this.#timeout, () => new TaskTimeoutError(this.#name, this.#timeout));
  }

  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#userSignal?.removeEventListener('abort', this.#onUserAbort);
    this.ended.resolve();
  }

  /** Turns what Piscina says of an ended thread into what happened. */
  explain(error: unknown): unknown {
    if (this.#limit) return this.#limit;
    if (!(error instanceof Error)) return error;
    if (isOutOfMemory(error)) {
      return new ThreadExitError(this.#name, outOfMemory);
    }
    const exitCode = /^worker exited with code: (\d+)$/.exec(error.message)?.[1];
    return exitCode ? new ThreadExitError(this.#name, `it exited with code ${exitCode}`) : error;
  }

  #onUserAbort = (): void => this.#controller.abort(this.#userSignal?.reason);

  #setTimer(limit: number, reason: () => TaskTimeoutError | QueueTimeoutError): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (limit === 0) return;
    const timer = setTimeout(async () => {
      // Timers run before messages: what a busy main thread has not read yet may say that the task has begun, or ended.
      await nextTurn();
      await nextTurn();
      if (this.#timer !== timer || this.#isOver) return;
      this.#limit = reason();
      this.#controller.abort(this.#limit);
    }, limit);
    this.#timer = timer;
  }
}

const outOfMemory = 'out of memory (max_thread_memory, or what Node chose where that is 0)';

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}

/** For a thread that ended before it had loaded the task module. */
function reportThreadEnd(error: unknown): ErrorReport {
  if (error !== undefined && !isOutOfMemory(error)) return reportError(error);
  const reason = error === undefined ? 'it exited' : outOfMemory;
  const text = `a thread ended while it loaded the task module: ${reason}`;
  return { message: text, details: text };
}
