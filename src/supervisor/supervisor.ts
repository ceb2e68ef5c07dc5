/** The master of `ph run`: groups of worker processes, and around them signals, pidfiles and logs. It runs no user code. */

import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import type { ErrorReport } from '../channel/control.ts';
import type { Configuration, SectionConfig } from '../config/types.ts';
import type { Status } from '../control/protocol.ts';
import { BootError, BusyError, ExitCode, StoppingError } from '../errors.ts';
import { AwakeClock } from '../group/clock.ts';
import type { Group } from '../group/group.ts';
import { LoadMeter } from '../load-meter.ts';
import { Logs } from '../log/logs.ts';
import { withResolvers } from '../promise.ts';
import { claim } from './claim.ts';
import { type ContainerRole, isHopeless, noteOf } from './container.ts';
import { FileKeeper } from './file-keeper.ts';
import { Front } from './front.ts';
import type { Handover } from './handover.ts';
import { Instance, nameFor } from './instance.ts';
import { Listeners, type PreparedListeners } from './listeners.ts';
import type { Origin } from './origin.ts';
import { type Change, type PreparedChange, Reload } from './reload.ts';
import { Reporter } from './reporter.ts';
import { Schedules } from './schedules.ts';
import { Sections } from './sections.ts';
import { SignalQueue } from './signals.ts';
import { statusOf } from './status.ts';
import type { SystemdOptions } from './systemd.ts';
import { Upgrade } from './upgrade.ts';
import { Verbs } from './verbs.ts';

export type SupervisorState = 'starting' | 'running' | 'stopping' | 'stopped';

export interface SupervisorOptions {
  /** Reads the configuration anew; throws a `ConfigError`. */
  readonly load: () => Configuration;
  /** WINCH means something to a daemon only: a terminal sends it with every change of its size. */
  readonly isDaemon: boolean;
  /** With what this process was started with. Default: nothing. */
  readonly listeners?: Listeners;
  readonly origin: Origin;
  /** From the supervisor that this one is to replace once it is ready. */
  readonly handover: Handover | undefined;
  readonly container: ContainerRole;
  readonly systemd: Omit<SystemdOptions, 'onTrouble'>;
}

interface SupervisorEvents {
  /** A worker boots, before it is known of all whether they can. */
  booting: [];
  /** Every section has its workers, but for those named, where some or all could not boot at the first try. */
  ready: [failures: ReadonlyMap<string, ErrorReport>];
  /** A reload has been carried out. */
  reloaded: [configuration: Configuration];
}

/** Pace of the loop, ms: time-outs are seen that late at the most, and a stopped supervisor counts one step. */
const tickInterval = 100;
const longestStep = 2 * tickInterval;
/** How often pidfiles and the files of sockets are looked after, in ticks. */
const fileTicks = 10;

export class Supervisor extends EventEmitter<SupervisorEvents> {
  readonly #options: SupervisorOptions;
  readonly #logs: Logs;
  readonly #logger: Logger;
  readonly #reporter: Reporter;
  readonly #clock = new AwakeClock(longestStep);
  readonly #listeners: Listeners;
  readonly #stopped = withResolvers<void>();
  #state: SupervisorState = 'starting';
  #configuration: Configuration | undefined;
  #instance: Instance | undefined;
  #sections: Sections | undefined;
  #reload: Reload | undefined;
  #upgrade: Upgrade | undefined;
  #front: Front | undefined;
  readonly #load = new LoadMeter();
  #schedules: Schedules | undefined;
  /** The pidfiles name it. False of one that is to replace another, until it is ready. */
  #isInCharge: boolean;
  #failure: Error | undefined;
  #exitCode: ExitCode = ExitCode.done;

  constructor(options: SupervisorOptions) {
    super();
    this.#options = options;
    this.#listeners = options.listeners ?? new Listeners();
    this.#isInCharge = options.handover === undefined;
    // Where containers have their logs.
    this.#logs = new Logs(options.container === 'none' ? 'stderr' : 'stdout');
    this.#logger = this.#logs.logger();
    this.#reporter = new Reporter({
      logs: this.#logs,
      systemd: options.systemd,
      instance: () => this.#instance?.number ?? 1,
      configuration: () => this.#configuration as Configuration,
      groups: () => [...(this.#sections?.groups.values() ?? [])],
    });
  }

  /**
   * Starts all sections and resolves when none is left. Rejects with what kept it from starting: `ConfigError`,
   * `AlreadyRunningError`, `PidfileError`, `LogFileError`, `BindError`, and with `BootError` where no worker could boot.
   */
  async run(): Promise<ExitCode> {
    const configuration = this.#options.load();
    this.#configuration = configuration;
    // Before there is a pidfile and until it is gone: a signal in between would leave it behind.
    const verbs = this.#createVerbs();
    const signals = new SignalQueue(() =>
      setImmediate(() => {
        for (const signal of signals.take()) verbs.act(signal);
      }),
    );
    // For an end that does not come this way: its last words are the ones that matter.
    const flush = () => this.#logs.flushSync();
    process.once('exit', flush);
    try {
      const { handover } = this.#options;
      this.#instance = handover
        ? await Instance.succeed(handover, configuration.supervisor)
        : await Instance.claim(configuration.supervisor);
      if (handover && this.#isInCharge) this.#instance.takeCharge();
      this.#logs.apply([...configuration.sections.values()].map(logSettings));
      const sections = this.#createSections(this.#instance);
      sections.hold(handover?.held ?? []);
      const sockets = await this.#listeners.prepare(sections.serving(configuration));
      sockets.commit();
      this.#sections = sections;
      await this.#supervise(configuration, sections, sockets);
    } finally {
      this.#listeners.close();
      await this.#front?.close();
      this.#instance?.release();
      await this.#logs.close();
      process.removeListener('exit', flush);
      signals.close();
    }
    return this.#exitCode;
  }

  /** Names of the listening sockets that it holds. */
  get sockets(): readonly string[] {
    return [...this.#listeners.held.keys()];
  }

  /** Lets all workers finish what they have, for their `graceful_timeout` at most. */
  stop(reason: string): void {
    if (this.#state === 'stopping' || this.#state === 'stopped') return;
    this.#setState('stopping');
    this.#logger.info(`stopping: ${reason}`);
    if (this.#isInCharge) this.#reporter.stopping();
    this.#reload?.cancel();
    this.#upgrade?.stop();
    // Only workers hold the sockets then, and the last one that has nobody left to accept ends them.
    this.#listeners.close(socket => socket.isServedHere);
    for (const group of this.#allGroups()) group.stop();
    this.#checkStopped();
  }

  /** Ends all workers at once. */
  quit(reason: string): void {
    if (this.#state === 'stopped') return;
    this.stop(reason);
    this.#upgrade?.quit();
    for (const group of this.#allGroups()) group.quit();
  }

  /**
   * Reads the configuration anew and replaces the workers. Resolves when it is in force; rejects with what was wrong
   * with it, and then nothing has changed. In an upgrade it is left to whoever will be in charge.
   */
  async reload(change: Change = { load: this.#options.load }): Promise<void> {
    // Until it is requested nothing else comes in between: a change of one section must not replace that of another.
    while (change.inTurn && this.#reload?.isUnderWay) await this.#reload.idle();
    if (!this.#reload || (this.#state !== 'running' && this.#state !== 'starting')) throw new StoppingError();
    if (change.what !== undefined && this.#upgrade?.isPending) {
      throw new BusyError('an upgrade is pending; ask again when it has ended');
    }
    if (this.#upgrade?.takesReload()) {
      throw new BusyError('an upgrade is pending; whoever is in charge after it reloads');
    }
    await this.#reload.request(change);
  }

  /** The supervisor that this one was to replace is gone: the pidfiles name this one from now on. */
  takeCharge(): void {
    if (this.#isInCharge) return;
    this.#isInCharge = true;
    this.#logger.warn('the supervisor that was to be replaced is gone; this one takes its place');
    this.#listeners.takeCharge();
    void this.#front?.open();
    try {
      this.#instance?.takeCharge();
    } catch (error) {
      this.#logger.error((error as Error).message);
    }
  }

  async #supervise(
    configuration: Configuration,
    sections: Sections,
    sockets: PreparedListeners,
  ): Promise<void> {
    if (this.#state !== 'starting') return; // told to quit while pidfiles and addresses were being taken
    const { directory, file } = configuration;
    process.title = titleOf(configuration);
    this.#logger.info(
      { instance: this.#instance?.number, file, directory, node: process.version },
      `supervising ${[...configuration.sections.keys()].join(', ')}`,
    );
    const note = noteOf(this.#options.container);
    if (note) this.#logger[note.level](note.text);
    process.on('uncaughtException', this.#onDefect);
    this.#reload = new Reload({
      logger: this.#logger,
      sections,
      claim: next => claim(this.#instance as Instance, this.#listeners, next),
      commit: change => this.#commit(change),
      onBegin: () => this.#reporter.reloading(),
      onEnd: (failure, what) => this.#reporter.reloaded(failure, what),
    });
    this.#front = this.#createFront(sections, this.#reload);
    if (this.#isInCharge) void this.#front.open();
    const files = new FileKeeper({
      logger: this.#logger,
      pidfiles: () => this.#instance?.pidfiles ?? [],
      lost: () => (this.#reload?.isUnderWay ? undefined : this.#listeners.lost),
      bindAgain: () => this.#bindAgain(),
    });
    this.#upgrade = this.#createUpgrade();
    const schedules = new Schedules({ sections, logger: section => this.#logs.logger(section) });
    this.#schedules = schedules;
    let ticks = 0;
    const timer = setInterval(() => {
      this.#clock.tick();
      for (const group of this.#allGroups()) group.reconcile();
      this.#upgrade?.check();
      if (this.#state === 'running') schedules.tick();
      if (this.#isInCharge) this.#reporter.tick();
      if (this.#options.container !== 'none') this.#checkHope();
      if (++ticks % fileTicks > 0) return;
      this.#load.read();
      files.look();
      this.#front?.look();
    }, tickInterval);
    try {
      sections.start(sections.serving(configuration), section => sockets.of(section));
      await this.#stopped.promise;
      await this.#reporter.close();
    } finally {
      clearInterval(timer);
      process.removeListener('uncaughtException', this.#onDefect);
    }
    if (this.#failure) throw this.#failure;
    this.#logger.info('stopped');
  }

  #createVerbs(): Verbs {
    return new Verbs(
      {
        stop: reason => this.stop(reason),
        endAtOnce: reason => this.#endAtOnce(reason),
        reload: () => this.reload(),
        upgrade: () => this.#requestUpgrade(),
        scale: step => this.#scale(step),
        idle: () => this.#idle(),
        reopenLogs: () => this.#reopenLogs(),
      },
      this.#options.container,
    );
  }

  #createFront(sections: Sections, reload: Reload): Front {
    const configuration = () => this.#configuration as Configuration;
    const { number } = this.#instance as Instance;
    return new Front({
      logger: this.#logger,
      sections,
      reload,
      configuration,
      controlPath: () => nameFor(configuration().supervisor.controlSocket, number),
      metricsSocket: () => this.#listeners.metrics,
      status: () => this.#status(sections),
      load: this.#options.load,
      change: change => this.reload(change),
      upgrade: () => this.#requestUpgrade(),
      stop: async () => {
        this.stop('a command');
        await this.#stopped.promise;
      },
    });
  }

  #requestUpgrade(): Promise<number> {
    return this.#upgrade?.request() ?? Promise.reject(new StoppingError());
  }

  #status(sections: Sections): Status {
    return statusOf({
      configuration: this.#configuration as Configuration,
      sections,
      instance: (this.#instance as Instance).number,
      state: this.#state,
      busyWith: this.#busyWith,
      load: this.#load.read(),
      now: this.#clock.now(),
    });
  }

  get #busyWith(): 'reload' | 'upgrade' | null {
    if (this.#upgrade?.isPending) return 'upgrade';
    return this.#reload?.isUnderWay ? 'reload' : null;
  }

  #createUpgrade(): Upgrade {
    const { origin, isDaemon } = this.#options;
    return new Upgrade({
      logger: this.#logger,
      origin,
      isDaemon,
      instance: this.#instance as Instance,
      sections: () => [...(this.#configuration as Configuration).sections.values()],
      listeners: this.#listeners,
      held: () => this.#sections?.held ?? [],
      now: () => this.#clock.now(),
      obstacle: () => this.#obstacleToUpgrade(),
      onSuccess: pid => {
        this.#reporter.retire();
        this.#front?.handOver(pid);
        this.stop(`pid ${pid} is in charge`);
      },
      onFailure: missed => {
        if (missed.reload) void this.reload().catch(() => {});
        this.#checkStopped();
      },
    });
  }

  #createSections({ number }: Instance): Sections {
    return new Sections({
      logs: this.#logs,
      reporter: this.#reporter,
      instance: number,
      now: () => this.#clock.now(),
      startsGently: () => !this.#isInCharge,
      onBooting: () => {
        if (this.#state === 'starting') this.emit('booting');
      },
      onStarted: () => this.#checkStarted(),
      onStopped: () => this.#checkStopped(),
    });
  }

  #checkStarted(): void {
    const sections = this.#sections;
    if (this.#state !== 'starting' || !sections) return;
    const { bootFailures } = sections;
    const failed = [...bootFailures.keys()].join(', ');
    if (failed && !this.#isInCharge) {
      this.#cannotStart(new BootError(bootFailures, 'serve'));
      return;
    }
    const groups = [...sections.groups.values()];
    if (!groups.every(({ isStarted }) => isStarted)) return;
    if (!groups.some(({ hasServed }) => hasServed)) {
      this.#cannotStart(new BootError(bootFailures));
      return;
    }
    try {
      if (!this.#isInCharge) this.#instance?.takeCharge();
    } catch (error) {
      this.#cannotStart(error as Error);
      return;
    }
    this.#isInCharge = true;
    this.#listeners.takeCharge();
    this.#setState('running');
    const unclaimed = this.#listeners.closeUnclaimed();
    if (unclaimed.length > 0) this.#logger.warn(`no section has asked for ${unclaimed.join(', ')}: closed`);
    if (failed) this.#logger.warn(`started, but workers could not boot: ${failed}`);
    else this.#logger.info('all workers ready');
    void this.#announce(bootFailures);
  }

  async #announce(bootFailures: ReadonlyMap<string, ErrorReport>): Promise<void> {
    if (this.#options.handover) await this.#front?.takeOver();
    await this.#reporter.ready(bootFailures);
    this.emit('ready', bootFailures);
  }

  /** Not at once where another supervisor goes on: workers may have taken connections from its sockets. */
  #cannotStart(error: Error): void {
    this.#failure = error;
    if (this.#isInCharge) this.quit(error.message);
    else this.stop(error.message);
  }

  #checkStopped(): void {
    if (this.#state === 'stopped' || this.#upgrade?.isPending) return;
    if (this.#allGroups().some(({ state }) => state !== 'stopped')) return;
    // Nobody had asked: that its workers are not restarted does not make their failure a success.
    if (this.#state !== 'stopping' && this.#allGroups().some(group => group.hasGivenUp)) {
      this.#exitCode = ExitCode.failed;
    }
    this.#setState('stopped');
    this.#stopped.resolve();
  }

  /** In a container: its end with a code that tells, rather than slow retries that nobody sees. */
  #checkHope(): void {
    const groups = [...(this.#sections?.groups.values() ?? [])];
    if (this.#state !== 'running' || !isHopeless(groups.map(({ state }) => state))) return;
    this.#exitCode = ExitCode.failed;
    this.stop('every section is failed, and this supervisor is all that its container is for');
  }

  #allGroups(): readonly Group[] {
    return [...(this.#sections?.all ?? []), ...(this.#reload?.joining ?? [])];
  }

  /** Without a wait for hooks, too. */
  #endAtOnce(reason: string): void {
    this.#reporter.quit();
    this.quit(reason);
  }

  #idle(): void {
    if (!this.#options.isDaemon) return;
    this.#logger.info('draining all workers; SIGHUP or SIGTTIN starts them again');
    for (const group of this.#sections?.groups.values() ?? []) group.idle();
  }

  #reopenLogs(): void {
    this.#logs.reopen();
    this.#upgrade?.reopenLogs();
    this.#logger.info('log files reopened');
  }

  #obstacleToUpgrade(): string | undefined {
    if (this.#state === 'starting') return 'not all workers have started yet';
    if (this.#state !== 'running') return 'this supervisor is stopping';
    if (this.#reload?.isUnderWay) return 'a reload is under way';
    if (this.#options.container !== 'none') {
      return 'this supervisor is all that its container is for, which ends with it';
    }
    return undefined;
  }

  #scale(step: number): void {
    for (const group of this.#sections?.groups.values() ?? []) group.scale(step);
  }

  /** The point of a reload after which the new configuration is the one in force. */
  #commit({ next, serving, added, claim, restarts, what }: PreparedChange): void {
    this.#logs.apply([...next.sections.values()].map(logSettings));
    this.#sections?.commit(serving, added, claim, restarts);
    if (this.#isInCharge) void this.#front?.serveMetrics();
    for (const key of ['daemonize', 'singleInstance'] as const) {
      if (next.supervisor[key] !== this.#configuration?.supervisor[key]) {
        this.#logger.warn(`a changed ${key} takes effect at the next start`);
      }
    }
    if (this.#configuration) void this.#schedules?.leave(this.#configuration, next);
    this.#configuration = next;
    process.title = titleOf(next);
    if (what === undefined) {
      this.#logger.info('reloaded: workers of the old generation are replaced one at a time');
    }
    this.emit('reloaded', next);
    // What held the start up may be gone with the old configuration.
    this.#checkStarted();
  }

  #bindAgain(): boolean {
    if (this.#state !== 'running' || this.#upgrade?.isPending) return false;
    void this.#reload?.request({ load: () => this.#configuration as Configuration }).catch(() => {});
    return true;
  }

  #setState(state: SupervisorState): void {
    this.#state = state;
  }

  /** A defect of ours must not leave workers, pidfiles or a half-dead master behind. */
  #onDefect = (error: Error): void => {
    this.#logger.fatal({ err: error }, 'a defect in the supervisor');
    this.#failure ??= error;
    this.quit('a defect in the supervisor');
  };
}

function titleOf({ sections }: Configuration): string {
  return `ph: master [${[...sections.values()].map(({ procName }) => procName).join(', ')}]`;
}

function logSettings(config: SectionConfig) {
  const { name, logFile, logLevel, logFormat, logMaxSize, logKeep } = config;
  return { section: name, logFile, logLevel, logFormat, logMaxSize, logKeep };
}
