/** The master's view of one worker process. */

import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import type { Duplex, Readable } from 'node:stream';
import {
  type ErrorReport,
  firstListenerFd,
  type Heartbeat,
  type MasterMessage,
  tasksFd,
  type WorkerMessage,
} from '../channel/control.ts';
import { FrameSender } from '../channel/frame-sender.ts';
import { FrameType } from '../channel/frames.ts';
import { watchdogFd } from '../channel/watchdog.ts';
import { type ProcessMessage, processChannels } from '../diagnostics.ts';
import { classifyExit, type Ending, type ExitReason } from './exit-reason.ts';
import { bootMessage, type ListeningSocket, spawnWorker, type WorkerSpec } from './spawn.ts';
import { StackClient } from './stack-client.ts';

const workerStates = ['starting', 'ready', 'draining', 'exited'] as const;

export type WorkerState = (typeof workerStates)[number];

interface WorkerEvents {
  ready: [];
  /** It asks to be replaced; `retireReason` says why. */
  retire: [];
  /** What one of its threads threw outside of any task. */
  threadError: [error: ErrorReport];
  exit: [reason: ExitReason];
}

/** After its exit a worker's pipes may be held open by a process of its own: how long their end is awaited, ms. */
const pipesGrace = 200;
const lastWordsLength = 4096;
/** How long the watchdog thread may take for the stack, ms. */
const stackLimit = 1500;

export class WorkerProcess extends EventEmitter<WorkerEvents> {
  readonly spec: WorkerSpec;
  readonly index: number;
  readonly generation: number;
  readonly #child: ChildProcess | undefined;
  readonly #stack: StackClient | undefined;
  readonly #sockets: readonly ListeningSocket[];
  readonly #now: () => number;

  #state: WorkerState = 'starting';
  #ending: Ending | undefined;
  #bootError: ErrorReport | undefined;
  #failure: ErrorReport | undefined;
  #spawnError: Error | undefined;
  #lastWords = '';
  #heartbeat: Heartbeat | undefined;
  #retireReason: string | undefined;
  #takesTasks = true;

  readonly startedAt: number;
  #readyAt: number | undefined;
  #drainingAt: number | undefined;
  #heardAt: number;

  /** `now` is the group's clock; all times of a worker are in its milliseconds. */
  constructor(spec: WorkerSpec, now: () => number) {
    super();
    this.spec = spec;
    this.index = spec.index;
    this.generation = spec.generation;
    this.#sockets = spec.sockets ?? [];
    this.#now = now;
    this.startedAt = now();
    this.#heardAt = this.startedAt;
    this.#child = this.#spawn();
    if (processChannels.spawn.hasSubscribers) processChannels.spawn.publish(this.#message);
    if (!this.#child) return;
    const { stdio, stderr } = this.#child;
    this.#stack = new StackClient(stdio[watchdogFd] as Duplex);
    // Whoever sends tasks reads what comes back; a section that has none must see the end of the socket all the same.
    this.tasks?.on('error', () => {}).resume();
    this.#child.on('message', message => this.#onMessage(message as WorkerMessage));
    this.#child.on('exit', (code, signal) => this.#onExit(code, signal));
    // A send to a worker that is gone: its exit tells.
    this.#child.on('error', () => {});
    stderr?.on('data', (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString('latin1')).slice(-lastWordsLength);
    });
    void this.#sendBoot();
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Undefined where no process could be started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get stdout(): Readable | null {
    return this.#child?.stdout ?? null;
  }

  get stderr(): Readable | null {
    return this.#child?.stderr ?? null;
  }

  /** Whether tasks may be sent to it. */
  get takesTasks(): boolean {
    return this.#takesTasks && this.#state === 'ready' && this.#ending === undefined;
  }

  /** Where tasks go and their results come from. */
  get tasks(): Duplex | undefined {
    return (this.#child?.stdio as readonly unknown[] | undefined)?.[tasksFd] as Duplex | undefined;
  }

  /** What its main thread threw before it exited. */
  get failure(): ErrorReport | undefined {
    return this.#failure;
  }

  /** What it said of itself last. */
  get heartbeat(): Heartbeat | undefined {
    return this.#heartbeat;
  }

  /** Why it asked to be replaced; undefined for one that did not. */
  get retireReason(): string | undefined {
    return this.#retireReason;
  }

  /** What it exited with; null before, and where a signal ended it. */
  get exitCode(): number | null {
    return this.#child?.exitCode ?? null;
  }

  /** The signal that ended it. */
  get exitSignal(): NodeJS.Signals | null {
    return this.#child?.signalCode ?? null;
  }

  get bootError(): ErrorReport | undefined {
    return this.#bootError;
  }

  /** How long nothing was heard of it, ms. */
  get silence(): number {
    return this.#now() - this.#heardAt;
  }

  /** Since it was started, ms. */
  get age(): number {
    return this.#now() - this.startedAt;
  }

  /** How long it took to become ready, ms; 0 before. */
  get bootTime(): number {
    return this.#readyAt === undefined ? 0 : this.#readyAt - this.startedAt;
  }

  /** Whether it has ever been ready. */
  get hasServed(): boolean {
    return this.#readyAt !== undefined;
  }

  /** How long it has been ready, ms; 0 before. */
  get servedFor(): number {
    return this.#readyAt === undefined ? 0 : this.#now() - this.#readyAt;
  }

  /** How long it has been draining, ms; 0 before. */
  get drainingFor(): number {
    return this.#drainingAt === undefined ? 0 : this.#now() - this.#drainingAt;
  }

  /** Why the master is ending it; undefined while it is not. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Lets this process end while the worker lives: the worker ends with it. */
  unref(): void {
    const handles = [this.#child, this.#child?.channel, ...(this.#child?.stdio ?? [])];
    for (const handle of handles) (handle as { unref?: () => void } | null | undefined)?.unref?.();
  }

  /** A sign of life that is no heartbeat: its main thread waits for us, so its silence is ours. */
  excuse(): void {
    this.#heardAt = this.#now();
  }

  /** Asks it to finish what it has and to exit; of its listening sockets, `kept` tells from which others accept. */
  drain(kept: (socket: ListeningSocket) => boolean = () => true): void {
    if (this.#state === 'draining' || this.#state === 'exited') return;
    // Before it is ready there is nothing to finish, and nobody yet to hear the signal.
    if (this.#state === 'starting') {
      this.kill({ cause: 'quit' });
      return;
    }
    this.#ending ??= { cause: 'drain' };
    this.#setState('draining');
    this.#drainingAt = this.#now();
    this.#closeTasks();
    this.#announceClosing(kept);
    this.#signal(this.spec.config.stopSignal);
  }

  /** Ends its main process with a core dump where the system makes them. */
  abort(ending: Ending): void {
    this.#ending = ending;
    this.#signal('SIGABRT');
  }

  /** Ends it and every process that it started. */
  kill(ending: Ending): void {
    if (this.#state === 'exited') return;
    this.#ending = ending;
    this.#killGroup();
  }

  /** The JavaScript stack of its main thread, innermost first; empty where it gives none. */
  async stack(): Promise<readonly string[]> {
    return (await this.#stack?.request(stackLimit)) ?? [];
  }

  /** Undefined where the system refuses: some of its errors are thrown, others are an event. */
  #spawn(): ChildProcess | undefined {
    try {
      const child = spawnWorker(this.spec);
      if (child.pid !== undefined) return child;
      child.on('error', error => this.#onSpawnError(error));
    } catch (error) {
      // Whoever made this worker listens only after its constructor.
      process.nextTick(() => this.#onSpawnError(error as Error));
    }
    return undefined;
  }

  async #sendBoot(): Promise<void> {
    try {
      // While the child starts, which takes longer.
      this.#tell(await bootMessage(this.spec));
    } catch (error) {
      const { message, stack, details = stack ?? message } = error as Error & { details?: string };
      this.#bootError = { message, details };
      this.#killGroup();
    }
  }

  /** Arrives before the signal, which is sent after it: Node reads its messages first. */
  #announceClosing(kept: (socket: ListeningSocket) => boolean): void {
    const listeners = this.#sockets.flatMap((socket, at) =>
      socket.end === 'kept' || kept(socket)
        ? []
        : { fd: firstListenerFd + at, seal: socket.end === 'sealed' },
    );
    if (listeners.length > 0) this.#tell({ type: 'closing', listeners });
  }

  #tell(message: MasterMessage): void {
    // A worker that is gone already shows in its exit.
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  #onMessage(message: WorkerMessage): void {
    this.#heardAt = this.#now();
    switch (message.type) {
      case 'heartbeat':
        this.#heartbeat = message;
        break;
      case 'ready':
        // One that is being ended must not take the place of one that serves.
        if (this.#state !== 'starting' || this.#ending) break;
        this.#setState('ready');
        this.#readyAt = this.#now();
        if (processChannels.ready.hasSubscribers) processChannels.ready.publish(this.#message);
        this.emit('ready');
        break;
      case 'boot-failed':
        this.#bootError = message.error;
        break;
      case 'draining':
        this.#closeTasks();
        break;
      case 'failed':
        this.#failure = message.error;
        break;
      case 'thread-error':
        this.emit('threadError', message.error);
        break;
      case 'retire':
        this.#retireReason = message.reason;
        this.emit('retire');
        break;
    }
  }

  #onSpawnError(error: NodeJS.ErrnoException): void {
    const { basePath } = this.spec.config;
    // The system says so of the directory, but Node puts it down to the program.
    const isHomeless = error.code === 'ENOENT' && !existsSync(basePath);
    this.#spawnError = isHomeless ? new Error(`base_path ${basePath} does not exist`) : error;
    this.#finish(null, null);
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    // Its own children do not outlive it; nor do they keep its pipes open.
    this.#killGroup();
    const timer = setTimeout(() => this.#finish(code, signal), pipesGrace);
    this.#child?.once('close', () => {
      clearTimeout(timer);
      this.#finish(code, signal);
    });
  }

  #finish(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#state === 'exited') return;
    this.#stack?.close();
    const reason = classifyExit({
      code,
      signal,
      ready: this.hasServed,
      ending: this.#ending,
      bootError: this.#bootError,
      spawnError: this.#spawnError,
      lastWords: this.#lastWords,
    });
    this.#setState('exited');
    this.#publishExit(reason);
    this.emit('exit', reason);
  }

  #publishExit({ kind, text, failure }: ExitReason): void {
    if (!processChannels.exit.hasSubscribers) return;
    const { exitCode, exitSignal: signal } = this;
    processChannels.exit.publish({ ...this.#message, exitCode, signal, kind, reason: text, failure });
  }

  get #message(): ProcessMessage {
    const { index, generation, pid } = this;
    return { group: this.spec.config.name, index, generation, pid };
  }

  /** Both sides know then that no task follows those that were sent; what runs can still be told to end. */
  #closeTasks(): void {
    if (!this.#takesTasks) return;
    this.#takesTasks = false;
    if (this.tasks?.writable) new FrameSender(this.tasks).send(FrameType.noMoreTasks);
  }

  /** States only go forward. */
  #setState(state: WorkerState): void {
    if (workerStates.indexOf(state) > workerStates.indexOf(this.#state)) this.#state = state;
  }

  #signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  #killGroup(): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // No process is left in the group.
    }
  }
}
