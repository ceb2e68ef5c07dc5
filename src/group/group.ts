/** Keeps the worker processes of one section, or of one pool, alive and ready. */

import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import type { ErrorReport, ThreadOptions } from '../channel/control.ts';
import type { SectionConfig } from '../config/types.ts';
import { ReloadError } from '../errors.ts';
import { Boots, failureOf } from './boots.ts';
import { Candidate, type Generation } from './candidate.ts';
import type { ExitReason } from './exit-reason.ts';
import { GroupLog } from './group-log.ts';
import { prepareLaunch } from './launch.ts';
import { RestartPolicy } from './restart-policy.ts';
import { type Slot, Slots } from './slots.ts';
import type { ListeningSocket } from './spawn.ts';
import { TimeLimits } from './time-limits.ts';
import { type GroupTotals, Totals } from './totals.ts';
import { WorkerProcess } from './worker-process.ts';

export type GroupState = 'starting' | 'running' | 'reloading' | 'backoff' | 'failed' | 'stopping' | 'stopped';

interface GroupEvents {
  state: [state: GroupState];
  /** Every slot has had a worker that was ready, or one that could not boot: then with the first such failure. */
  started: [failure: ErrorReport | undefined];
  /** No process is left, and none will be started. */
  stopped: [];
  /** Something may have changed. */
  reconciled: [];
}

export interface GroupOptions {
  readonly config: SectionConfig;
  /** What the workers accept from. Default: nothing. */
  readonly sockets?: readonly ListeningSocket[];
  /** Number of the supervisor among those of one configuration. */
  readonly instance: number;
  readonly logger: Logger;
  /** Monotonic ms in which the master was awake. */
  readonly now: () => number;
  /** Takes over a new worker's output; what it returns tells whether the worker is held up by us. */
  readonly attach: (worker: WorkerProcess) => { readonly paused: boolean };
  /** What the environment of the workers is made from. Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly threadOptions?: ThreadOptions | undefined;
  /** Whether the end of that worker is no sign of a crash loop, however short it served. Default: of none. */
  readonly hasProven?: (worker: WorkerProcess) => boolean;
  /**
   * The first workers boot one after another, and the first that cannot ends the start: others serve meanwhile, who
   * need the cores and go on in any case. Default: all at once.
   */
  readonly startsGently?: boolean;
}

const ended: ErrorReport = { message: 'its workers have ended', details: 'its workers have ended' };

export class Group extends EventEmitter<GroupEvents> {
  readonly name: string;
  readonly #options: GroupOptions;
  readonly #now: () => number;
  readonly #policy: RestartPolicy;
  readonly #log: GroupLog;
  readonly #limits: TimeLimits;
  readonly #totals = new Totals();
  readonly #slots = new Slots();
  /** Replaced or surplus workers that finish what they have. */
  readonly #leaving = new Set<WorkerProcess>();
  readonly #outputs = new Map<WorkerProcess, { readonly paused: boolean }>();

  #generation: Generation;
  #candidate: Candidate | undefined;
  #desired: number;
  #state: GroupState = 'starting';
  readonly #boots = new Boots();
  #isStarted = false;
  /** The generation that the log has last named as the one that serves. */
  #announced = 1;
  #hasGivenUp = false;
  /** Why there is no candidate any more, between `prepare` and `commit`. */
  #candidateFailure: ReloadError | undefined;

  /** Throws a `ConfigError` where the environment of the workers cannot be read. */
  constructor(options: GroupOptions) {
    super();
    this.name = options.config.name;
    this.#options = options;
    this.#now = options.now;
    this.#policy = new RestartPolicy(options.config);
    this.#log = new GroupLog(options.logger);
    this.#limits = new TimeLimits(this.#log, options.now);
    this.#generation = this.#newGeneration(1, options.config, options.sockets);
    this.#desired = options.config.numberWorkers;
  }

  get state(): GroupState {
    return this.#state;
  }

  get config(): SectionConfig {
    return this.#generation.config;
  }

  /** What new workers accept from. */
  get sockets(): readonly ListeningSocket[] {
    return this.#generation.sockets;
  }

  /** Number of the generation that new workers belong to; the first is 1, each reload adds one. */
  get generation(): number {
    return this.#generation.number;
  }

  /** Whether it is known of every slot if its worker can boot. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Whether any worker has ever been ready. */
  get hasServed(): boolean {
    return this.#boots.hasServed;
  }

  /** Whether a worker failed that will not be restarted (`restart = never`). */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp;
  }

  /** How many workers there are to be. */
  get desired(): number {
    return this.#desired;
  }

  /** Where workers are, or would be but for a failure. */
  get places(): readonly Readonly<Slot>[] {
    return [...this.#slots].sort((a, b) => a.index - b.index);
  }

  /** Whether all workers that there are to be serve, and are of the newest generation, or have ended for good. */
  get isComplete(): boolean {
    const isSettled = ({ worker, finished, lastExit }: Slot) =>
      worker
        ? worker.state === 'ready' && worker.generation === this.generation
        : finished && !lastExit?.reason.failure;
    return !this.#candidate && this.#slots.size === this.#desired && this.#slots.every(isSettled);
  }

  /** Why workers are missing that may never come; undefined while there is hope. */
  get obstacle(): ErrorReport | undefined {
    const { bootFailure, lastFailure = ended } = this.#boots;
    const isLost = ({ finished, lastExit }: Slot) => finished && lastExit?.reason.failure;
    const isHopeless = this.#state === 'failed' || this.#slots.some(slot => isLost(slot) === true);
    return bootFailure ?? (isHopeless ? lastFailure : undefined);
  }

  /** Whether a worker that was replaced, or is one too many, still finishes what it has. */
  get isDraining(): boolean {
    return this.#leaving.size > 0;
  }

  /** How the last worker failed; undefined while none of this generation has. */
  get lastFailure(): ErrorReport | undefined {
    return this.#boots.lastFailure;
  }

  /** All processes that live, by index; those that leave come last. */
  get workers(): readonly WorkerProcess[] {
    const candidate = this.#candidate ? [this.#candidate.worker] : [];
    return [...this.#slots.workers, ...candidate, ...this.#leaving];
  }

  /** What all workers together have counted, those that are gone included. */
  get totals(): GroupTotals {
    return this.#totals.read(this.workers);
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
    this.emit('reconciled');
  }

  /** Changes the number of workers by `step`, down to 1 at the least; an idle group stays at 0. */
  scale(step: number): void {
    this.#scale(desired => Math.max(Math.min(1, desired), desired + step));
  }

  /** Sets the number of workers: 1 at the least. */
  scaleTo(workers: number): void {
    this.#scale(() => workers);
  }

  /** Drains all workers and starts none until it is scaled or reloaded. */
  idle(): void {
    if (this.#isEnding) return;
    this.#desired = 0;
    if (this.#candidate) this.#candidate.desired = 0;
    this.reconcile();
  }

  /**
   * First half of a reload: boots one worker of the new generation beside the serving ones. Rejects with a
   * `ReloadError` where it does not become ready; then nothing has changed.
   */
  async prepare(config: SectionConfig, sockets?: readonly ListeningSocket[]): Promise<void> {
    this.rollback('a newer reload took its place');
    const generation = this.#newGeneration(this.#generation.number + 1, config, sockets);
    this.#candidateFailure = undefined;
    this.#candidate = new Candidate(generation, this.#spawn(1, generation));
    // Out of `stopped` too, where all workers had ended for good.
    this.#setState('reloading');
    await this.#candidate.booted;
  }

  /** Throws a `ReloadError` where what was prepared has failed since. */
  assertPrepared(): void {
    if (!this.#candidate) throw this.#candidateFailure ?? this.#reloadError('nothing was prepared');
  }

  /** Second half of a reload: the candidate serves, and the others are replaced by its generation one at a time. */
  commit(): void {
    const candidate = this.#candidate;
    if (!candidate || this.#isEnding) return;
    this.#candidate = undefined;
    this.#generation = candidate.generation;
    this.#desired = candidate.desired;
    this.#forgetPast();
    const slot = this.#slots.get(candidate.worker.index) ?? this.#slots.add(candidate.worker.index);
    this.#replace(slot, candidate.worker);
    this.#takeIntoService(candidate.worker);
    this.reconcile();
  }

  /**
   * Ends all workers, and starts those of a new generation in each place when it is free: unlike in a reload, no two of
   * a place run at once.
   */
  restart(config: SectionConfig, sockets: readonly ListeningSocket[]): void {
    if (this.#state === 'stopping') return;
    this.rollback('a restart took its place');
    this.#generation = this.#newGeneration(this.#generation.number + 1, config, sockets);
    this.#desired = config.numberWorkers;
    this.#forgetPast();
    for (const slot of this.#slots) {
      slot.retiring = undefined;
      slot.worker?.drain();
    }
    // Out of `stopped` too, where all workers had ended for good.
    if (this.#state === 'stopped') this.#setState('starting');
    this.reconcile();
  }

  /** Gives a prepared reload up; the group stays as it was. */
  rollback(reason: string): void {
    const candidate = this.#candidate;
    if (!candidate) return;
    this.#candidate = undefined;
    candidate.fail(this.#reloadError(reason));
    candidate.worker.kill({ cause: 'quit' });
    this.#leaving.add(candidate.worker);
  }

  /** Lets every worker finish what it has, for `graceful_timeout` at most; `stopped` follows. */
  stop(): void {
    if (this.#isEnding) return;
    this.rollback('the group is stopping');
    this.#setState('stopping');
    for (const slot of this.#slots) this.#dismiss(slot);
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

  #scale(scaled: (desired: number) => number): void {
    if (this.#isEnding) return;
    this.#desired = scaled(this.#desired);
    if (this.#candidate) this.#candidate.desired = scaled(this.#candidate.desired);
    this.#log.scaling(this.#desired);
    this.reconcile();
  }

  /** A new generation has its own chances, and what boots for an older one is not wanted any more. */
  #forgetPast(): void {
    this.#policy.reset(this.config);
    this.#log.forgetFailures();
    this.#boots.forgetFailures();
    for (const slot of this.#slots) {
      slot.notBefore = 0;
      slot.finished = false;
      if (slot.successor) this.#leaving.add(slot.successor);
      slot.successor?.kill({ cause: 'quit' });
      slot.successor = undefined;
    }
  }

  #checkTimeouts(): void {
    for (const worker of this.workers) {
      if (this.#outputs.get(worker)?.paused) worker.excuse();
      this.#limits.check(worker);
    }
  }

  #markRetiring(): void {
    for (const slot of this.#slots) {
      const { worker } = slot;
      if (!worker || slot.retiring !== undefined || worker.state === 'draining') continue;
      const { maxMemory, maxLifetime } = worker.spec.config;
      if (worker.generation < this.generation) slot.retiring = 'reload';
      else if (worker.retireReason) this.#retire(slot, worker.retireReason);
      else if (maxMemory > 0 && (worker.heartbeat?.rss ?? 0) > maxMemory) this.#retire(slot, 'max_memory');
      else if (maxLifetime > 0 && worker.servedFor > maxLifetime) this.#retire(slot, 'max_lifetime');
    }
  }

  #retire(slot: Slot, reason: string): void {
    if (!slot.worker || slot.retiring !== undefined) return;
    slot.retiring = reason;
    this.#log.retires(slot.worker, reason);
  }

  #cull(): void {
    for (const slot of this.#slots.surplus(this.#desired)) this.#dismiss(slot);
  }

  #dismiss(slot: Slot): void {
    this.#slots.remove(slot);
    for (const worker of [slot.worker, slot.successor]) if (worker) this.#dismissWorker(worker);
  }

  #dismissWorker(worker: WorkerProcess): void {
    this.#leaving.add(worker);
    worker.drain(socket => !this.#isEnding && this.#isServed(socket, worker));
  }

  /** Whether others than that worker accept from a socket, or will. */
  #isServed(socket: ListeningSocket, leaving: WorkerProcess): boolean {
    const others = this.#slots.workers.filter(worker => worker !== leaving && worker.state === 'ready');
    return this.sockets.includes(socket) || others.some(({ spec }) => spec.sockets?.includes(socket));
  }

  /** One successor boots at a time. In a reload the old workers may still drain meanwhile; otherwise one leaves first. */
  #replaceOne(): void {
    if (this.#slots.some(({ successor }) => successor !== undefined)) return;
    const isDue = ({ worker, retiring, notBefore }: Slot) =>
      worker && retiring && notBefore <= this.#now() && (retiring === 'reload' || this.#leaving.size === 0);
    const slot = [...this.#slots].find(isDue);
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
    while (this.#slots.size < this.#desired) this.#slots.add();
    for (const slot of this.#slots) {
      if (slot.worker || slot.finished || slot.notBefore > this.#now()) continue;
      // A failed group is tried with one worker: N that fail tell no more than one.
      const oneByOne = this.#policy.failed || (this.#options.startsGently && !this.#isStarted);
      if (oneByOne && this.#slots.some(other => other.worker?.state === 'starting')) return;
      slot.worker = this.#spawn(slot.index, this.#generation);
    }
  }

  #spawn(index: number, generation: Generation): WorkerProcess {
    const { config, launch, sockets, number } = generation;
    const { threadOptions } = this.#options;
    const spec = { config, launch, sockets, index, generation: number, mode: 'run', threadOptions } as const;
    const worker = new WorkerProcess(spec, this.#now);
    worker.on('ready', () => this.#onReady(worker));
    worker.on('retire', () => this.reconcile());
    worker.on('exit', reason => this.#reap(worker, reason));
    this.#outputs.set(worker, this.#options.attach(worker));
    return worker;
  }

  #onReady(worker: WorkerProcess): void {
    this.#log.ready(worker);
    if (worker !== this.#candidate?.worker) this.#takeIntoService(worker);
    // Not within the event: who waits for this worker acts first.
    queueMicrotask(() => this.reconcile());
  }

  #takeIntoService(worker: WorkerProcess): void {
    this.#policy.ready();
    this.#boots.served(worker);
  }

  #reap(worker: WorkerProcess, reason: ExitReason): void {
    this.#limits.forget(worker);
    this.#outputs.delete(worker);
    this.#leaving.delete(worker);
    this.#boots.ended(worker, reason, this.#slots, this.generation);
    const slot = this.#slots.get(worker.index);
    if (slot) slot.lastExit = { reason, at: new Date() };
    // What it served well ends a row of failures, for the log as for the restart policy.
    if (worker.servedFor >= this.config.restartWindow) this.#log.forgetFailures();
    const wasCandidate = worker === this.#candidate?.worker;
    const next = this.#settle(worker, reason);
    this.#totals.ended(worker, reason);
    // First, since it may turn out to be the end of everything: then nothing follows.
    this.#checkStarted();
    // Whoever waits for a candidate, or for the start that has failed, tells the user's error.
    const isToldElsewhere = wasCandidate || this.#isEnding;
    this.#log.ended(
      worker,
      reason,
      this.#isEnding ? '' : next,
      isToldElsewhere ? '' : worker.bootError?.details,
    );
    this.reconcile();
  }

  #checkStarted(): void {
    if (this.#isStarted || this.#isEnding) return;
    const failure = this.#boots.firstFailure;
    const areAllKnown = this.#boots.areKnown(this.#slots, this.#desired);
    if (!areAllKnown && !(failure && this.#options.startsGently)) return;
    this.#isStarted = true;
    this.emit('started', failure);
  }

  /** Decides what follows in the place that the worker leaves, and says it. */
  #settle(worker: WorkerProcess, reason: ExitReason): string {
    if (worker === this.#candidate?.worker) {
      this.#candidateFailure = new ReloadError(this.name, failureOf(worker, reason));
      this.#candidate.fail(this.#candidateFailure);
      this.#candidate = undefined;
      return 'the workers that serve stay';
    }
    const slot = this.#slots.of(worker);
    if (!slot) return '';

    if (slot.worker === worker) {
      slot.worker = slot.successor;
      slot.retiring = undefined;
    }
    slot.successor = undefined;
    if (!reason.unexpected) return '';

    const verdict = this.#policy.ended(
      worker.index,
      { failure: reason.failure, servedFor: this.#options.hasProven?.(worker) ? Infinity : worker.servedFor },
      this.#now(),
    );
    if (verdict.action === 'give-up' && slot.worker) {
      slot.notBefore = this.#now() + this.config.restartDelayMax;
      return 'the worker that serves stays';
    }
    if (verdict.action === 'give-up') {
      slot.finished = true;
      this.#hasGivenUp ||= reason.failure;
      return `not restarted (restart = ${this.config.restart})`;
    }
    slot.notBefore = this.#now() + verdict.delay;
    slot.restarts++;
    this.#totals.restarted();
    return verdict.delay === 0 ? 'restarting' : `restarting in ${(verdict.delay / 1000).toFixed(1)} s`;
  }

  #updateState(): void {
    if (this.#state === 'stopping') {
      if (this.workers.length === 0) this.#setState('stopped');
      return;
    }
    this.#checkStarted();
    if (!this.#isEnding) this.#setState(this.#judge());
    if (this.#state === 'running' && this.#announced < this.generation) {
      this.#announced = this.generation;
      this.#log.reloaded(this.generation, this.#slots.size);
    }
  }

  #judge(): GroupState {
    const slots = this.#slots;
    if (slots.size > 0 && slots.every(slot => slot.finished) && this.workers.length === 0) return 'stopped';
    if (
      this.#candidate ||
      slots.some(({ worker }) => (worker?.generation ?? this.generation) < this.generation)
    )
      return 'reloading';
    if (this.#policy.failed) return 'failed';
    if (slots.some(slot => !slot.worker && slot.notBefore > this.#now())) return 'backoff';
    return this.#isStarted ? 'running' : 'starting';
  }

  #setState(state: GroupState): void {
    if (state === this.#state) return;
    this.#state = state;
    if (state === 'failed') this.#log.failed(this.config);
    this.emit('state', state);
    if (state === 'stopped') this.emit('stopped');
  }

  #reloadError(reason: string): ReloadError {
    return new ReloadError(this.name, { message: reason, details: reason });
  }

  #newGeneration(
    number: number,
    config: SectionConfig,
    sockets: readonly ListeningSocket[] = [],
  ): Generation {
    const { instance, env } = this.#options;
    return { number, config, launch: prepareLaunch(config, instance, env), sockets };
  }
}
