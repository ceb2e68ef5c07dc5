/** A new configuration is built whole, beside what serves, and only then takes its place. */

import type { Logger } from 'pino';
import type { Configuration, SectionConfig } from '../config/types.ts';
import { BindError, ConfigError, ProcessHandlerError, ReloadError, StoppingError } from '../errors.ts';
import type { Group } from '../group/group.ts';
import type { ListeningSocket } from '../group/spawn.ts';
import { withResolvers } from '../promise.ts';
import type { Claim } from './claim.ts';
import type { Sections } from './sections.ts';

export interface ReloadOptions {
  readonly logger: Logger;
  readonly sections: Sections;
  /** Takes pidfiles and addresses that are new; gives nothing up before `commit`. */
  readonly claim: (next: Configuration) => Promise<Claim>;
  /** Puts the new configuration in force. Throws where the log files cannot be opened; then nothing has changed. */
  readonly commit: (change: PreparedChange) => void;
  readonly onBegin: () => void;
  /** Not called where the supervisor stops meanwhile. `failure`: everything stays as it was. */
  readonly onEnd: (failure: unknown, what: string | undefined) => void;
}

export interface Change {
  /** Reads the new configuration. Throws a `ConfigError`. */
  readonly load: () => Configuration;
  /** Sections whose workers end before new ones start. Default: none. */
  readonly restarts?: ReadonlySet<string>;
  /** Waits until no other is being prepared. Default: takes the place of that one, and has to hold all that it held. */
  readonly inTurn?: boolean;
  /** For the log. Default: a reload. */
  readonly what?: string | undefined;
}

/** A change that can be carried out, as far as anybody can know. */
export interface PreparedChange {
  readonly next: Configuration;
  /** `next` without the sections that are held. */
  readonly serving: Configuration;
  readonly added: readonly Group[];
  readonly claim: Claim;
  readonly restarts: ReadonlySet<string>;
  readonly what: string | undefined;
}

export class Reload {
  readonly #options: ReloadOptions;
  readonly #outcomes = { done: 0, failed: 0, 'given-up': 0 };
  #underWay = false;
  /** Another request came while one was under way: the files may have changed since that one read them. */
  #again = false;
  #cancelled = false;
  #joining: readonly Group[] = [];
  #load: Change['load'] | undefined;
  #what: string | undefined;
  #restarts: ReadonlySet<string> = new Set();
  /** Settled when it is known whether the new configuration is in force. */
  #outcome = withResolvers<void>();

  constructor(options: ReloadOptions) {
    this.#options = options;
  }

  /** Groups of new sections, while it is open whether they will stay. */
  get joining(): readonly Group[] {
    return this.#joining;
  }

  /** Whether it is open if a new configuration takes effect. */
  get isUnderWay(): boolean {
    return this.#underWay;
  }

  /** How many reloads ended how; those that gave way to a newer one, or to a stop, were given up. */
  get outcomes(): Readonly<Record<'done' | 'failed' | 'given-up', number>> {
    return this.#outcomes;
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    while (this.#underWay) await this.#outcome.promise.catch(() => {});
  }

  /**
   * Begins a change; one that is still being prepared gives way to it, and comes to the same end. Resolves when the new
   * configuration is in force. Rejects with what was wrong with it: `ConfigError`, `ReloadError`, `BindError`,
   * `PidfileError`, `LogFileError`; then nothing has changed.
   */
  request({ load, restarts = new Set(), what }: Change): Promise<void> {
    this.#load = load;
    this.#what = what;
    this.#restarts = new Set([...this.#restarts, ...restarts]);
    if (this.#underWay) {
      this.#again = true;
      this.#abandon('a newer reload took its place');
    } else {
      this.#outcome = withResolvers<void>();
      // Whoever asked by a signal reads the log.
      this.#outcome.promise.catch(() => {});
      void this.#run();
    }
    return this.#outcome.promise;
  }

  /** The supervisor stops: what is being prepared is given up. */
  cancel(): void {
    this.#cancelled = true;
    this.#again = false;
    this.#abandon('the supervisor is stopping');
  }

  async #run(): Promise<void> {
    const { logger } = this.#options;
    let failure: unknown;
    this.#underWay = true;
    this.#options.onBegin();
    do {
      this.#again = false;
      failure = undefined;
      let outcome: keyof Reload['outcomes'];
      const isReload = this.#what === undefined;
      logger.info(this.#what ?? 'reloading');
      try {
        await this.#try();
        outcome = this.#cancelled ? 'given-up' : 'done';
      } catch (error) {
        failure = error;
        const message = error instanceof Error ? error.message : String(error);
        outcome = this.#again || this.#cancelled ? 'given-up' : 'failed';
        if (outcome === 'given-up') logger.info(`reload given up: ${message}`);
        else logger.error(fieldsOf(error), `reload failed, everything stays as it was: ${message}`);
      }
      if (isReload) this.#outcomes[outcome]++;
    } while (this.#again && !this.#cancelled);
    this.#underWay = false;
    this.#restarts = new Set();
    if (this.#cancelled) failure ??= new StoppingError();
    else this.#options.onEnd(failure, this.#what);
    if (failure === undefined) this.#outcome.resolve();
    else this.#outcome.reject(failure as Error);
  }

  async #try(): Promise<void> {
    const { sections, claim, commit } = this.#options;
    const { groups } = sections;
    const next = (this.#load as Change['load'])();
    const serving = sections.serving(next);
    const [restarts, what] = [this.#restarts, this.#what];
    if (serving.sections.size === 0 && what === undefined) throw nothingLeft(next);
    const claimed = await claim(serving);
    if (this.#cancelled) {
      claimed.rollback();
      return;
    }
    try {
      const configs = [...serving.sections.values()];
      const kept = configs.filter(config => {
        const group = groups.get(config.name);
        return group && !restarts.has(config.name) && !isTheSame(group, config, claimed.sockets(config.name));
      });
      this.#joining = configs
        .filter(({ name }) => !groups.has(name))
        .map(config => sections.create(config, claimed.sockets(config.name)));
      const prepared = kept.map(config =>
        groups.get(config.name)?.prepare(config, claimed.sockets(config.name)),
      );
      await Promise.all([...prepared, ...this.#joining.map(up)]);
      for (const { name } of kept) groups.get(name)?.assertPrepared();
      commit({ next, serving, added: this.#joining, claim: claimed, restarts, what });
    } catch (error) {
      this.#abandon('another section failed');
      claimed.rollback();
      throw error;
    } finally {
      this.#joining = [];
    }
  }

  #abandon(reason: string): void {
    for (const group of this.#options.sections.groups.values()) group.rollback(reason);
    for (const group of this.#joining) group.quit();
  }
}

/** Whether workers of a new generation would have nothing new; a configuration that was read anew counts as new. */
function isTheSame(group: Group, config: SectionConfig, sockets: readonly ListeningSocket[]): boolean {
  return group.config === config && sockets.every((socket, at) => socket === group.sockets[at]);
}

/** Only sections remain that were stopped: it would be the end of the supervisor, which nobody has asked for. */
function nothingLeft({ sections }: Configuration): ReloadError {
  const [name = ''] = sections.keys();
  const message = `was stopped, and no other section is left; \`ph restart ${name}\` starts it`;
  return new ReloadError(name, { message, details: message });
}

/** What a log line says of it beside the message. The stack is of interest only where the defect is ours. */
function fieldsOf(error: unknown): object {
  if (error instanceof ReloadError) return { details: error.details };
  if (error instanceof ConfigError || error instanceof BindError) return { problems: error.problems };
  return error instanceof ProcessHandlerError ? {} : { err: error };
}

/** Starts a new group; rejects where it has no chance to serve. */
function up(group: Group): Promise<void> {
  const { promise, resolve, reject } = withResolvers<void>();
  group.on('started', failure => (failure ? reject(new ReloadError(group.name, failure)) : resolve()));
  group.on('stopped', () =>
    reject(new ReloadError(group.name, { message: 'was stopped', details: 'was stopped' })),
  );
  group.reconcile();
  return promise;
}
