/** USR2: a new supervisor starts on the same sockets; once it is ready this one drains, and if it fails nothing changes. */

import type { Logger } from 'pino';
import type { SectionConfig } from '../config/types.ts';
import { BusyError, UpgradeFailedError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import type { Instance } from './instance.ts';
import type { Listeners } from './listeners.ts';
import type { Origin } from './origin.ts';
import { Successor } from './successor.ts';

export interface UpgradeOptions {
  readonly logger: Logger;
  readonly origin: Origin;
  readonly isDaemon: boolean;
  readonly instance: Instance;
  readonly sections: () => readonly SectionConfig[];
  readonly listeners: Listeners;
  /** Those that were stopped by themselves. */
  readonly held: () => Iterable<string>;
  /** Monotonic ms in which this process was awake. */
  readonly now: () => number;
  /** Why there can be no upgrade now; undefined: there can. */
  readonly obstacle: () => string | undefined;
  /** The supervisor of that pid is in charge. */
  readonly onSuccess: (pid: number) => void;
  /** This supervisor goes on. */
  readonly onFailure: (missed: { readonly reload: boolean }) => void;
}

export class Upgrade {
  readonly #options: UpgradeOptions;
  #successor: Successor | undefined;
  /** HUP came while it was open who would be in charge. */
  #reloadWanted = false;
  #isStopping = false;
  /** Settled when it is known who is in charge. */
  #outcome = withResolvers<number>();

  constructor(options: UpgradeOptions) {
    this.#options = options;
  }

  /** Whether it is open who will be in charge; also while a new supervisor that failed still stops. */
  get isPending(): boolean {
    return this.#successor?.isPending ?? false;
  }

  /**
   * Resolves to the pid of the supervisor that has taken over. Rejects with a `BusyError` where there can be no upgrade
   * now, and with an `UpgradeFailedError` where this supervisor goes on.
   */
  request(): Promise<number> {
    const { logger } = this.#options;
    const obstacle = this.isPending ? 'another one is pending' : this.#options.obstacle();
    if (obstacle !== undefined) {
      logger.warn(`upgrade refused: ${obstacle}`);
      return Promise.reject(new BusyError(`upgrade refused: ${obstacle}`));
    }
    this.#outcome = withResolvers<number>();
    // Whoever asked by a signal reads the log.
    this.#outcome.promise.catch(() => {});
    try {
      this.#start();
    } catch (error) {
      this.#failed((error as Error).message);
    }
    return this.#outcome.promise;
  }

  /** Leaves a reload to whoever will be in charge; false where that is this supervisor already. */
  takesReload(): boolean {
    if (!this.isPending) return false;
    this.#reloadWanted = true;
    this.#options.logger.info('an upgrade is pending; whoever is in charge after it reloads');
    return true;
  }

  /** Called at every tick: time limits. */
  check(): void {
    this.#successor?.check();
  }

  /** This supervisor stops, and the new one with it. */
  stop(): void {
    this.#isStopping = true;
    this.#successor?.giveUp('the supervisor is stopping');
  }

  /** The same at once. */
  quit(): void {
    this.#isStopping = true;
    this.#successor?.quit('the supervisor is stopping');
  }

  /** The new supervisor has opened them as well. */
  reopenLogs(): void {
    if (this.isPending) this.#successor?.forward('SIGUSR1');
  }

  /** Throws a `PidfileError`, and a `LogFileError` where a daemon cannot open its log file. */
  #start(): void {
    const { logger, origin, isDaemon, instance, listeners, now } = this.#options;
    const sections = this.#options.sections();
    const { pidfiles, locks, commit, rollback } = instance.prepareUpgrade();
    this.#reloadWanted = false;
    const successor = new Successor({
      origin,
      handover: {
        pid: process.pid,
        instance: instance.number,
        isDaemon,
        pidfiles,
        locks,
        sockets: Object.fromEntries(listeners.held),
        foreign: [...listeners.foreign],
        held: [...this.#options.held()],
      },
      logFile: isDaemon ? sections[0]?.logFile : undefined,
      bootTimeout: Math.max(...sections.map(({ bootTimeout }) => bootTimeout)),
      gracefulTimeout: Math.max(...sections.map(({ gracefulTimeout }) => gracefulTimeout)),
      now,
      onReady: sockets => {
        commit();
        listeners.handOver(new Set(sockets));
        this.#succeeded(successor);
      },
      onFailure: reason => this.#failed(reason, rollback),
      onLoss: how => logger.error(`the supervisor that has taken over, pid ${successor.pid}, ${how}`),
    });
    this.#successor = successor;
    const { pid } = successor;
    if (pid !== undefined) logger.info({ successor: pid }, `upgrading: pid ${pid} is to take over`);
  }

  #succeeded(successor: Successor): void {
    const { logger, onSuccess } = this.#options;
    logger.info({ successor: successor.pid }, `upgraded: pid ${successor.pid} is in charge`);
    if (this.#reloadWanted) successor.forward('SIGHUP');
    this.#outcome.resolve(successor.pid as number);
    onSuccess(successor.pid as number);
  }

  #failed(reason: string, rollback = () => {}): void {
    const { logger, onFailure } = this.#options;
    if (this.#isStopping) logger.info(`upgrade given up: ${reason}`);
    else logger.error(`upgrade failed, everything stays as it was: ${reason}`);
    try {
      rollback();
    } catch (error) {
      logger.error((error as Error).message);
    }
    this.#outcome.reject(new UpgradeFailedError(reason));
    onFailure({ reload: this.#reloadWanted });
  }
}
