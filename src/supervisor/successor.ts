/** The new supervisor of an upgrade, as the one sees it that is to be replaced: a process that may fail, hang or die. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { openLog } from './daemon.ts';
import { type Handover, packHandover } from './handover.ts';
import type { Origin } from './origin.ts';
import type { StartReport } from './parent.ts';

export interface SuccessorOptions {
  readonly origin: Origin;
  readonly handover: Handover;
  /** Where a daemon prints to; undefined: where this process does. */
  readonly logFile: string | undefined;
  /** How long the new supervisor may take until its first worker boots, and how long it may take to stop, ms. */
  readonly bootTimeout: number;
  readonly gracefulTimeout: number;
  /** Monotonic ms in which this process was awake. */
  readonly now: () => number;
  /** It is ready, its pid is in the pidfiles, and it goes on with these listening sockets. */
  readonly onReady: (sockets: readonly string[]) => void;
  /** It is gone, and never was ready; `reason` is its own where it gave one. */
  readonly onFailure: (reason: string) => void;
  /** It was ready, and is gone. */
  readonly onLoss: (how: string) => void;
}

type SuccessorState = 'starting' | 'giving-up' | 'ready' | 'failed';

/** What a machine under load may need beyond a time limit, ms. */
const margin = 3000;
/** How long a supervisor may take that was told to quit at once, ms. */
const quitLimit = 2000;

export class Successor {
  readonly #options: SuccessorOptions;
  readonly #child: ChildProcess | undefined;
  #state: SuccessorState = 'starting';
  /** Until it has said so, a signal would end it in the way of the system. */
  #handlesSignals = false;
  #deadline: number;
  #reason: string | undefined;

  constructor(options: SuccessorOptions) {
    this.#options = options;
    this.#deadline = options.now() + options.bootTimeout + margin;
    try {
      this.#child = this.#spawn();
      // Some errors of the system are thrown, others are an event.
      if (this.#child.pid === undefined) this.#child.on('error', error => this.#cannotStart(error));
      else void this.#awaitEnd(this.#child);
      this.#child.on('message', report => this.#onReport(report as StartReport));
    } catch (error) {
      // Whoever made this one listens only after its constructor.
      process.nextTick(() => this.#cannotStart(error as Error));
    }
  }

  /** Undefined where it could not be started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Whether it may still take over, or has not ended yet although it will not. */
  get isPending(): boolean {
    return this.#state === 'starting' || this.#state === 'giving-up';
  }

  /** Called at every tick: time limits. */
  check(): void {
    if (!this.isPending || this.#options.now() < this.#deadline) return;
    if (this.#state === 'giving-up') this.#child?.kill('SIGKILL');
    else this.giveUp('it was not ready in time');
  }

  /** Lets it stop: its workers may have taken connections by now. */
  giveUp(reason: string): void {
    if (this.#state !== 'starting') return;
    this.#state = 'giving-up';
    this.#reason = reason;
    this.#deadline = this.#options.now() + this.#options.gracefulTimeout + margin;
    this.#child?.kill('SIGTERM');
  }

  /** Ends it at once. */
  quit(reason: string): void {
    if (!this.isPending) return;
    this.#reason ??= reason;
    this.#state = 'giving-up';
    this.#deadline = this.#options.now() + quitLimit;
    this.#child?.kill(this.#handlesSignals ? 'SIGQUIT' : 'SIGKILL');
  }

  /** Passes a signal on that means the same to it. */
  forward(signal: NodeJS.Signals): void {
    if (this.#handlesSignals) this.#child?.kill(signal);
  }

  #spawn(): ChildProcess {
    const { origin, handover, logFile } = this.#options;
    const { env, fds } = packHandover(handover);
    const log = logFile === undefined ? undefined : openLog(logFile);
    const options: SpawnOptions = {
      cwd: origin.directory,
      env: { ...origin.env, ...env },
      // It outlives this process, and what a terminal sends to this one's group is not for both.
      detached: true,
      stdio: ['inherit', log ?? 'inherit', log ?? 'inherit', 'ipc', ...fds],
    };
    try {
      return spawn(origin.command, origin.args, options);
    } finally {
      if (log !== undefined) closeSync(log);
    }
  }

  #onReport(report: StartReport): void {
    if (report.type === 'failed') this.#reason ??= report.reason;
    if (this.#state !== 'starting') return;
    if (report.type === 'booting') {
      this.#handlesSignals = true;
      this.#deadline = this.#options.now() + report.limit + margin;
    } else if (report.type === 'ready') {
      this.#state = 'ready';
      this.#options.onReady(report.sockets);
    }
  }

  /** Its last words may arrive after its end. */
  async #awaitEnd(child: ChildProcess): Promise<void> {
    const heard = child.connected ? once(child, 'disconnect') : undefined;
    const [code, signal] = await once(child, 'exit');
    await heard;
    const how = signal ? `was killed by ${signal}` : `exited with code ${code}`;
    if (this.#state === 'ready') this.#options.onLoss(how);
    else this.#fail(`it ${how} before it was ready; see ${this.#options.logFile ?? 'stderr'}`);
  }

  #cannotStart(error: Error): void {
    this.#fail(`it cannot be started: ${error.message}`);
  }

  #fail(what: string): void {
    if (!this.isPending) return;
    this.#state = 'failed';
    this.#options.onFailure(this.#reason ?? what);
  }
}
