/** The threads themselves: Piscina starts them and gives them work; each has a port for what cannot wait in a queue. */

import { fileURLToPath } from 'node:url';
import { type MessagePort, setEnvironmentData, type Worker as Thread } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { ErrorReport, ThreadOptions } from '../channel/control.ts';
import type { SectionConfig } from '../config/types.ts';
import { ThreadLoadError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import { reportError } from './error-report.ts';
import { isOutOfMemory, outOfMemory } from './thread-end.ts';
import {
  type HostMessage,
  isThreadMessage,
  setupKey,
  type ThreadMessage,
  type ThreadSetup,
} from './thread-protocol.ts';

const threadMain = fileURLToPath(new URL('./thread-main.js', import.meta.url));
const mebibyte = 2 ** 20;

export type ThreadSetConfig = Pick<
  SectionConfig,
  'threads' | 'minThreads' | 'idleTimeout' | 'concurrentTasksPerWorker' | 'maxThreadMemory'
>;

export interface ThreadSetEvents {
  /** What a thread threw outside of any task. */
  readonly onError: (error: unknown) => void;
  /** A thread could not be replaced: from now on there are fewer. */
  readonly onBroken: (error: ThreadLoadError) => void;
  /** What a thread says about its work. */
  readonly onMessage: (message: ThreadMessage) => void;
  /** A thread has loaded the task module. */
  readonly onThreadReady: () => void;
  readonly onThreadEnd: (threadId: number) => void;
}

export class ThreadSet {
  readonly piscina: Piscina;
  readonly #events: ThreadSetEvents;
  /** How many there are at the least. */
  readonly #wanted: number;
  readonly #ports = new Map<number, MessagePort>();
  readonly #loaded = withResolvers<void>();
  #toLoad: number;
  #isClosing = false;

  /** One instance a process: its threads find their setup in the environment data of the process. */
  constructor(config: ThreadSetConfig, setup: ThreadSetup, events: ThreadSetEvents, options: ThreadOptions) {
    setEnvironmentData(setupKey, setup as never);
    this.#events = events;
    this.piscina = new Piscina(piscinaOptions(config, options));
    this.#wanted = this.piscina.minThreads;
    this.#toLoad = this.#wanted;
    if (this.#wanted === 0) this.#loaded.resolve();
    this.piscina.on('error', error => this.#onError(error));
    // A thread that exits says nothing; one that failed has the word first. Piscina starts no other thread in the
    // place of one that ended before it was ready, and would wait for ever once all have.
    this.piscina.on('workerDestroy', () => setImmediate(() => this.#checkMissing()));
    this.piscina.on('message', message => {
      // A task may post messages of its own.
      if (isThreadMessage(message)) this.#onMessage(message);
    });
  }

  /** Resolves when every thread has loaded the task module; rejects with a `ThreadLoadError`. */
  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  /** By id, those that can be told something. */
  get ports(): ReadonlyMap<number, MessagePort> {
    return this.#ports;
  }

  /** Whether the threads are less than there should be, and one is being started. */
  get isStarting(): boolean {
    return this.#ports.size < this.#wanted;
  }

  post(threadId: number, message: HostMessage): void {
    this.#ports.get(threadId)?.postMessage(message);
  }

  /** Ends it, whatever it does; Piscina starts another one. */
  terminate(threadId: number): void {
    const threads: readonly Thread[] = this.piscina.threads;
    void threads.find(thread => thread.threadId === threadId)?.terminate();
  }

  /** Piscina's own `close()` would end threads that still have work: there must be none. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.piscina.destroy();
  }

  #onMessage(message: ThreadMessage): void {
    switch (message.type) {
      case 'loaded':
        this.#addPort(message.threadId, message.port);
        if (--this.#toLoad === 0) this.#loaded.resolve();
        this.#events.onThreadReady();
        break;
      case 'load-failed':
        this.#failLoad(message.error);
        break;
      default:
        this.#events.onMessage(message);
    }
  }

  #addPort(threadId: number, port: MessagePort): void {
    this.#ports.set(threadId, port);
    port.on('close', () => {
      this.#ports.delete(threadId);
      this.#events.onThreadEnd(threadId);
    });
    port.unref();
  }

  #onError(error: unknown): void {
    if (this.#toLoad > 0) this.#failLoad(reportThreadEnd(error));
    else this.#events.onError(error);
  }

  #checkMissing(): void {
    const isMissing = this.#toLoad > 0 || this.piscina.threads.length < this.#wanted;
    if (isMissing && !this.#isClosing) this.#failLoad(reportThreadEnd(undefined));
  }

  #failLoad(report: ErrorReport): void {
    const error = new ThreadLoadError(report);
    if (this.#toLoad > 0) this.#loaded.reject(error);
    else this.#events.onBroken(error);
  }
}

function piscinaOptions(config: ThreadSetConfig, { workerData, resourceLimits }: ThreadOptions) {
  const limits = {
    ...(config.maxThreadMemory > 0 && {
      maxOldGenerationSizeMb: Math.max(1, Math.floor(config.maxThreadMemory / mebibyte)),
    }),
    ...resourceLimits,
  };
  return {
    filename: threadMain,
    minThreads: config.minThreads ?? config.threads,
    maxThreads: config.threads,
    idleTimeout: config.idleTimeout,
    concurrentTasksPerWorker: config.concurrentTasksPerWorker,
    // A thread that waits for its next task must hear an abort, a broadcast, and what its own timers and sockets want.
    atomics: 'disabled' as const,
    recordTiming: false,
    ...(workerData !== undefined && { workerData }),
    ...(Object.keys(limits).length > 0 && { resourceLimits: limits }),
  };
}

/** For a thread that ended before it had loaded the task module. */
function reportThreadEnd(error: unknown): ErrorReport {
  if (error !== undefined && !isOutOfMemory(error)) return reportError(error);
  const reason = error === undefined ? 'it exited' : outOfMemory;
  const text = `a thread ended while it loaded the task module: ${reason}`;
  return { message: text, details: text };
}
