/** The worker processes of a pool: its group, and the loop that keeps it going. */

import { once } from 'node:events';
import { pino } from 'pino';
import type { ErrorReport } from '../channel/control.ts';
import { BootError, PoolFailedError, ThreadError } from '../errors.ts';
import { AwakeClock } from '../group/clock.ts';
import type { ExitReason } from '../group/exit-reason.ts';
import { Group, type GroupState } from '../group/group.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import { withResolvers } from '../promise.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { ResolvedPoolOptions } from './options.ts';
import { passOn } from './output.ts';
import type { ProcessExit, ProcessInfo } from './pool-events.ts';

/** Pace of the group's loop, ms. */
const tickInterval = 100;

export interface ProcessesEvents {
  readonly onReady: (process: ProcessInfo) => void;
  readonly onExit: (process: ProcessExit) => void;
  /** What no task is to blame for. */
  readonly onError: (error: Error) => void;
}

export class Processes {
  readonly #name: string;
  readonly #dispatcher: Dispatcher;
  readonly #output: ResolvedPoolOptions['output'];
  readonly #events: ProcessesEvents;
  readonly #clock = new AwakeClock(2 * tickInterval);
  readonly #group: Group;
  readonly #ticker: NodeJS.Timeout;
  readonly #stopped = withResolvers<void>();
  /** Resolved when there is a process again, or none will be. */
  #change = withResolvers<void>();
  #crashes = 0;
  #lastCrash = '';

  constructor(options: ResolvedPoolOptions, dispatcher: Dispatcher, events: ProcessesEvents) {
    const { config, env, workerData, resourceLimits } = options;
    this.#name = config.name;
    this.#dispatcher = dispatcher;
    this.#output = options.output;
    this.#events = events;
    this.#group = new Group({
      config: { ...config, logLevel: 'silent' },
      instance: 1,
      // What happens is told by events.
      logger: pino({ level: 'silent' }),
      now: () => this.#clock.now(),
      attach: worker => this.#attach(worker),
      env,
      threadOptions: { workerData, resourceLimits },
      // A crash under tasks is theirs: the pool has to go on with the others at once.
      hasProven: worker => dispatcher.hasServed(worker),
    });
    this.#group.on('state', state => state === 'failed' && this.#onFailed());
    this.#group.on('stopped', () => {
      this.#stopped.resolve();
      this.#changed();
    });
    this.#ticker = setInterval(() => {
      this.#clock.tick();
      this.#group.reconcile();
    }, tickInterval);
  }

  get state(): GroupState {
    return this.#group.state;
  }

  get workers(): readonly WorkerProcess[] {
    return this.#group.workers;
  }

  /** Processes that ended by a failure. */
  get crashes(): number {
    return this.#crashes;
  }

  /** Why no task can be taken: there is no process, and will not be soon. */
  get failure(): PoolFailedError | undefined {
    const isLost = this.#group.state === 'failed' && this.#dispatcher.openLinks.length === 0;
    return isLost ? new PoolFailedError(this.#lastCrash) : undefined;
  }

  /** Resolves when all are ready, or some are and others could not boot. Rejects with a `BootError`. */
  async start(): Promise<void> {
    const started = once(this.#group, 'started') as Promise<[ErrorReport | undefined]>;
    this.#group.reconcile();
    const [failure] = await started;
    if (!failure) return;
    const failures = new Map([[this.#name, failure]]);
    if (this.#group.hasServed) {
      this.#events.onError(new BootError(failures, 'serve'));
      return;
    }
    await this.quit();
    throw new BootError(failures);
  }

  /** Resolves when a process has become ready, or none will. */
  get change(): Promise<void> {
    return this.#change.promise;
  }

  /** Whether this process must not end by itself: there is work, or something to be waited for. */
  keepAlive(isNeeded: boolean): void {
    if (isNeeded) this.#ticker.ref();
    else this.#ticker.unref();
  }

  /** Lets them finish what they have, for `gracefulTimeout` at most. */
  stop(): Promise<void> {
    this.#group.stop();
    return this.#end();
  }

  /** Ends them at once. */
  quit(): Promise<void> {
    this.#group.quit();
    return this.#end();
  }

  async #end(): Promise<void> {
    this.keepAlive(true);
    await this.#stopped.promise;
    clearInterval(this.#ticker);
  }

  #attach(worker: WorkerProcess): { readonly paused: boolean } {
    worker.unref();
    passOn(worker.stdout, this.#output?.stdout ?? process.stdout);
    passOn(worker.stderr, this.#output?.stderr ?? process.stderr);
    this.#dispatcher.attach(worker);
    const { index, pid, generation } = worker;
    worker.on('ready', () => {
      this.#events.onReady({ pid, index, generation });
      this.#changed();
    });
    worker.on('threadError', report => this.#events.onError(new ThreadError(report)));
    worker.on('exit', reason => this.#onExit(worker, reason));
    return { paused: false };
  }

  #onExit({ pid, index, generation, exitCode, exitSignal }: WorkerProcess, reason: ExitReason): void {
    if (reason.failure) {
      this.#crashes++;
      this.#lastCrash = reason.text;
    }
    this.#events.onExit({
      pid,
      index,
      generation,
      exitCode,
      signal: exitSignal,
      kind: reason.kind,
      reason: reason.text,
    });
  }

  #onFailed(): void {
    const error = new PoolFailedError(this.#lastCrash);
    if (this.#dispatcher.openLinks.length === 0) this.#dispatcher.rejectQueued(() => error);
    this.#changed();
    this.#events.onError(error);
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = withResolvers<void>();
  }
}
