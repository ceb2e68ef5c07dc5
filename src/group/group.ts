/** Keeps the worker processes of one section, or of one pool, alive and ready. */

import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import type { ErrorReport } from '../channel/control.ts';
import type { SectionConfig } from '../config/types.ts';
import { ReloadError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import { ExitLog } from './exit-log.ts';
import type { ExitReason } from './exit-reason.ts';
import { Hangs } from './hangs.ts';
import { type Launch, prepareLaunch } from './launch.ts';
import { RestartPolicy } from './restart-policy.ts';
import { WorkerProcess } from './worker-process.ts';

export type GroupState = 'starting' | 'running' | 'reloading' | 'backoff' | 'failed' | 'stopping' | 'stopped';

interface GroupEvents {
  state: [state: GroupState];
  /** All workers are ready for the first time. */
  ready: [];
  /** The first attempt of every worker to boot has failed; the restart policy goes on. */
  'boot-failed': [error: ErrorReport];
  /** No process is left, and none will be started. */
  stopped: [];
}

export interface GroupOptions {
  readonly config: SectionConfig;
  /** Number of the supervisor among those of one configuration. */
  readonly instance: number;
  readonly logger: Logger;
  /** Monotonic ms in which the master was awake. */
  readonly now: () => number;
  /** Takes over a new worker's output; what it returns tells whether the worker is held up by us. */
  readonly attach: (worker: WorkerProcess) => { readonly paused: boolean };
}

/** What workers are started from; a reload makes the next one. */
interface Generation {
  readonly number: number;
  readonly config: SectionConfig;
  readonly launch: Launch;
}

/** One of the N places of a group. Its index is that of the worker in it, and of whatever replaces that. */
interface Slot {
  readonly index: number;
  worker: WorkerProcess | undefined;
  /** Boots to take the place of `worker`. */
  successor: WorkerProcess | undefined;
  /** Why `worker` is to be replaced. */
  retiring: string | undefined;
  /** No start in this slot before that time. */
  notBefore: number;
  /** The restart policy gave the slot up. */
  finished: boolean;
}

/** The first worker of a new generation, before anybody relies on it. */
interface Candidate {
  readonly generation: Generation;
  readonly worker: WorkerProcess;
  readonly booted: ReturnType<typeof withResolvers<void>>;
}

export class Group extends EventEmitter<GroupEvents> {
  readonly name: string;
  readonly #options: GroupOptions;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #policy: RestartPolicy;
  readonly #exitLog: ExitLog;
  readonly #hangs: Hangs;
  readonly #slots = new Map<number, Slot>();
  /** Replaced or surplus workers that finish what they have. */
  readonly #leaving = new Set<WorkerProcess>();
  readonly #outputs = new Map<WorkerProcess, { readonly paused: boolean }>();

  #generation: Generation;
  #candidate: Candidate | undefined;
  #desired: number;
  #state: GroupState = 'starting';
  #hasBeenReady = false;
  /** Slots whose first worker could not boot; of interest until the first one is ready. */
  readonly #bootFailures = new Set<number>();

  /** Throws a `ConfigError` where the environment of the workers cannot be read. */
  constructor(options: GroupOptions) {
    super();
    this.name = options.config.name;
    this.#options = options;
    this.#logger = options.logger;
    this.#now = options.now;
    this.#policy = new RestartPolicy(options.config);
    this.#exitLog = new ExitLog(options.logger);
    this.#hangs = new Hangs(options.logger, options.now);
    this.#generation = this.#newGeneration(1, options.config);
    this.#desired = options.config.numberWorkers;
  }

  get state(): GroupState {
    return this.#state;
  }

  get config(): SectionConfig {
    return this.#generation.config;
  }

  /** Number of the generation that new workers belong to; the first is 1, each reload adds one. */
  get generation(): number {
    return this.#generation.number;
  }

  /** Whether all workers have been ready at the same time once. */
  get isStarted(): boolean {
    return this.#hasBeenReady;
  }

  /** How many workers there should be. */
  get desired(): number {
    return this.#desired;
  }

  /** All processes that live, by index; those that leave come last. */
  get workers(): readonly WorkerProcess[] {
    const inSlots = [...this.#slots.values()].sort((a, b) => a.index - b.index);
    return [
      ...inSlots.flatMap(slot => [slot.worker, slot.successor]),
      this.#candidate?.worker,
      ...this.#leaving,
    ].filter(worker => worker !== undefined);
  }

  /** Brings what is nearer to what should be. Called at every tick and after every event; never waits. */
  reconcile(): void {
    if (this.#state === 'stopped') return;
    this.#checkTimeouts();
    this.#markRetiring();
    this.#cull();
    this.#replaceOne();
    this.#spawnMissing();
    this.#updateState();
  }

  /** Changes the number of workers by `step`, down to 1 at the least. */
  scale(step: number): void {
    if (this.#isEnding) return;
    this.#desired = Math.max(1, this.#desired + step);
    this.#logger.info({ workers: this.#desired }, `scaling to ${this.#desired} workers`);
    this.reconcile();
  }

  /** Drains all workers and starts none until it is scaled or reloaded. */
  idle(): void {
    if (this.#isEnding) return;
    this.#desired = 0;
    this.reconcile();
  }

  /**
   * First half of a reload: boots one worker of the new generation beside the serving ones. Rejects with a
   * `ReloadError` where it does not become ready; then nothing has changed.
   */
  async prepare(config: SectionConfig): Promise<void> {
    this.rollback('a newer reload took its place');
    const generation = this.#newGeneration(this.#generation.number + 1, config);
    const booted = withResolvers<void>();
    const worker = this.#spawn(1, generation);
    this.#candidate = { generation, worker, booted };
    worker.on('ready', () => booted.resolve());
    await booted.promise;
  }

  /** Second half of a reload: the candidate serves, and the others are replaced by its generation one at a time. */
  commit(): void {
    const candidate = this.#candidate;
    if (!candidate || this.#isEnding) return;
    this.#candidate = undefined;
    this.#generation = candidate.generation;
    this.#desired = candidate.generation.config.numberWorkers;
    this.#policy.reset(candidate.generation.config);
    this.#exitLog.reset();
    for (const slot of this.#slots.values()) {
      slot.notBefore = 0;
      slot.finished = false;
      slot.successor?.kill({ cause: 'quit' });
    }
    const slot = this.#slots.get(candidate.worker.index) ?? this.#addSlot(candidate.worker.index);
    this.#replace(slot, candidate.worker);
    this.reconcile();
  }

  /** Gives a prepared reload up; the group stays as it was. */
  rollback(reason: string): void {
    const candidate = this.#candidate;
    this.#candidate = undefined;
    candidate?.booted.reject(new ReloadError(this.name, { message: reason, details: reason }));
    candidate?.worker.kill({ cause: 'quit' });
    if (candidate) this.#leaving.add(candidate.worker);
  }

  /** Lets every worker finish what it has, for `graceful_timeout` at most; `stopped` follows. */
  stop(): void {
    if (this.#isEnding) return;
    this.rollback('the group is stopping');
    this.#setState('stopping');
    for (const slot of this.#slots.values()) this.#dismiss(slot);
    this.reconcile();
  }

  /** Ends every worker at once; `stopped` follows. */
  quit(): void {
    this.stop();
    for (const worker of this.workers) worker.kill({ cause: 'quit' });
    this.reconcile();
  }

  get #isEnding(): boolean {
    return this.#state === 'stopping' || this.#state === 'stopped';
  }

  #checkTimeouts(): void {
    for (const worker of this.workers) {
      const { bootTimeout, gracefulTimeout } = worker.spec.config;
      if (this.#outputs.get(worker)?.paused) worker.excuse();
      switch (worker.state) {
        case 'starting':
          if (this.#now() - worker.startedAt > bootTimeout)
            worker.kill({ cause: 'boot-timeout', limit: bootTimeout });
          break;
        case 'ready':
          this.#hangs.check(worker);
          break;
        case 'draining':
          if (worker.drainingFor > gracefulTimeout) this.#cut(worker, gracefulTimeout);
          break;
      }
    }
  }

  #cut(worker: WorkerProcess, graceful: number): void {
    if (worker.ending?.cause === 'cut') return;
    const running = worker.heartbeat?.running ?? [];
    this.#logger.warn(
      { index: worker.index, workerPid: worker.pid, running },
      `worker ${worker.index} (pid ${worker.pid}) is cut off with ${running.length} tasks in flight`,
    );
    worker.kill({ cause: 'cut', graceful });
  }

  #markRetiring(): void {
    for (const slot of this.#slots.values()) {
      const { worker } = slot;
      if (!worker || slot.retiring !== undefined) continue;
      const { maxMemory, maxLifetime } = worker.spec.config;
      if (worker.generation < this.generation) slot.retiring = 'reload';
      else if (maxMemory > 0 && (worker.heartbeat?.rss ?? 0) > maxMemory) this.#retire(slot, 'max_memory');
      else if (maxLifetime > 0 && worker.servedFor > maxLifetime) this.#retire(slot, 'max_lifetime');
    }
  }

  #retire(slot: Slot, reason: string): void {
    if (slot.retiring !== undefined) return;
    slot.retiring = reason;
    const { pid } = slot.worker ?? {};
    this.#logger.info(
      { index: slot.index, workerPid: pid },
      `worker ${slot.index} (pid ${pid}) retires: ${reason}`,
    );
  }

  /** Shrinks to the desired number: what is not ready goes first, then what is idle, then the highest index. */
  #cull(): void {
    const surplus = this.#slots.size - this.#desired;
    if (surplus <= 0) return;
    const cost = ({ worker }: Slot) =>
      worker?.state === 'ready' ? 1 + (worker.heartbeat?.running.length ?? 0) : 0;
    const order = [...this.#slots.values()].sort((a, b) => cost(a) - cost(b) || b.index - a.index);
    for (const slot of order.slice(0, surplus)) this.#dismiss(slot);
  }

  #dismiss(slot: Slot): void {
    this.#slots.delete(slot.index);
    for (const worker of [slot.worker, slot.successor]) if (worker) this.#dismissWorker(worker);
  }

  #dismissWorker(worker: WorkerProcess): void {
    this.#leaving.add(worker);
    worker.drain();
  }

  /** One successor boots at a time: a replacement never takes more than one worker's resources on top. */
  #replaceOne(): void {
    const slots = [...this.#slots.values()];
    if (slots.some(slot => slot.successor)) return;
    const slot = slots.find(
      ({ worker, retiring, notBefore }) => worker && retiring && notBefore <= this.#now(),
    );
    if (!slot) return;
    // What never became ready serves nobody: its place can be taken at once.
    if (slot.worker?.state === 'starting') {
      slot.worker.kill({ cause: 'quit' });
      return;
    }
    const successor = this.#spawn(slot.index, this.#generation);
    slot.successor = successor;
    successor.on('ready', () => {
      if (slot.successor !== successor) return;
      slot.successor = undefined;
      this.#replace(slot, successor);
      this.reconcile();
    });
  }

  #replace(slot: Slot, successor: WorkerProcess): void {
    if (slot.worker) this.#dismissWorker(slot.worker);
    slot.worker = successor;
    slot.retiring = undefined;
  }

  #spawnMissing(): void {
    if (this.#isEnding) return;
    while (this.#slots.size < this.#desired) this.#addSlot(this.#lowestFreeIndex());
    for (const slot of this.#slots.values()) {
      if (slot.worker || slot.finished || slot.notBefore > this.#now()) continue;
      // A failed group is tried with one worker: N that fail tell no more than one.
      if (this.#policy.failed && [...this.#slots.values()].some(other => other.worker?.state === 'starting'))
        return;
      slot.worker = this.#spawn(slot.index, this.#generation);
    }
  }

  #spawn(index: number, generation: Generation): WorkerProcess {
    const { config, launch, number } = generation;
    const worker = new WorkerProcess({ config, launch, index, generation: number, mode: 'run' }, this.#now);
    worker.on('ready', () => this.#onReady(worker));
    worker.on('retire', reason => {
      const slot = this.#slots.get(index);
      if (slot?.worker === worker) this.#retire(slot, reason);
      this.reconcile();
    });
    worker.on('exit', reason => this.#reap(worker, reason));
    this.#outputs.set(worker, this.#options.attach(worker));
    return worker;
  }

  #onReady(worker: WorkerProcess): void {
    const seconds = ((this.#now() - worker.startedAt) / 1000).toFixed(2);
    this.#logger.info(
      { index: worker.index, workerPid: worker.pid, generation: worker.generation },
      `worker ${worker.index} (pid ${worker.pid}) ready after ${seconds} s`,
    );
    if (worker !== this.#candidate?.worker) this.#policy.ready();
    // Not within the event: who waits for this worker acts first.
    queueMicrotask(() => this.reconcile());
  }

  #reap(worker: WorkerProcess, reason: ExitReason): void {
    this.#hangs.forget(worker);
    this.#outputs.delete(worker);
    this.#leaving.delete(worker);
    this.#exitLog.ended(worker, reason, this.#settle(worker, reason));
    this.#noteBootFailure(worker, reason);
    this.reconcile();
  }

  #noteBootFailure(worker: WorkerProcess, reason: ExitReason): void {
    const isFirst = worker.servedFor === 0 && !this.#hasBeenReady && !this.#isEnding && reason.unexpected;
    if (!isFirst || this.#bootFailures.has(worker.index)) return;
    this.#bootFailures.add(worker.index);
    if (this.#bootFailures.size < this.#desired || this.workers.some(({ state }) => state === 'ready'))
      return;
    this.emit('boot-failed', worker.bootError ?? { message: reason.text, details: reason.text });
  }

  /** Decides what follows in the place that the worker leaves, and says it. */
  #settle(worker: WorkerProcess, reason: ExitReason): string {
    if (worker === this.#candidate?.worker) {
      const { booted } = this.#candidate;
      this.#candidate = undefined;
      booted.reject(
        new ReloadError(this.name, worker.bootError ?? { message: reason.text, details: reason.text }),
      );
      return 'the workers that serve stay';
    }
    const slot = this.#slots.get(worker.index);
    if (!slot || (slot.worker !== worker && slot.successor !== worker)) return '';

    if (slot.worker === worker) {
      slot.worker = slot.successor;
      slot.retiring = undefined;
    }
    slot.successor = undefined;
    if (!reason.unexpected) return '';

    const verdict = this.#policy.ended(
      worker.index,
      { failure: reason.failure, servedFor: worker.servedFor },
      this.#now(),
    );
    if (verdict.action === 'give-up') {
      slot.finished = true;
      return `not restarted (restart = ${this.config.restart})`;
    }
    slot.notBefore = this.#now() + verdict.delay;
    return verdict.delay === 0 ? 'restarting' : `restarting in ${(verdict.delay / 1000).toFixed(1)} s`;
  }

  #updateState(): void {
    const slots = [...this.#slots.values()];
    const isUp = (slot: Slot) => slot.finished || slot.worker?.state === 'ready';
    if (this.#state === 'stopping') {
      if (this.workers.length === 0) this.#setState('stopped');
      return;
    }
    if (!this.#hasBeenReady && slots.every(isUp)) {
      this.#hasBeenReady = true;
      this.emit('ready');
    }
    this.#setState(this.#judge(slots));
  }

  #judge(slots: readonly Slot[]): GroupState {
    if (slots.length > 0 && slots.every(slot => slot.finished) && this.workers.length === 0) return 'stopped';
    if (this.#candidate || slots.some(slot => slot.worker && slot.worker.generation < this.generation))
      return 'reloading';
    if (this.#policy.failed) return 'failed';
    if (slots.some(slot => !slot.worker && slot.notBefore > this.#now())) return 'backoff';
    return this.#hasBeenReady ? 'running' : 'starting';
  }

  #setState(state: GroupState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.emit('state', state);
    if (state === 'stopped') this.emit('stopped');
  }

  #newGeneration(number: number, config: SectionConfig): Generation {
    return { number, config, launch: prepareLaunch(config, this.#options.instance) };
  }

  #addSlot(index: number): Slot {
    const slot: Slot = {
      index,
      worker: undefined,
      successor: undefined,
      retiring: undefined,
      notBefore: 0,
      finished: false,
    };
    this.#slots.set(index, slot);
    return slot;
  }

  #lowestFreeIndex(): number {
    let index = 1;
    while (this.#slots.has(index)) index++;
    return index;
  }
}
