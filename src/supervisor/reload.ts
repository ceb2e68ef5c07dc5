/** HUP: a new configuration is built whole, beside what serves, and only then takes its place. */

import type { Logger } from 'pino';
import type { Configuration, SectionConfig } from '../config/types.ts';
import { BindError, ConfigError, ProcessHandlerError, ReloadError } from '../errors.ts';
import type { Group } from '../group/group.ts';
import type { ListeningSocket } from '../group/spawn.ts';
import { withResolvers } from '../promise.ts';
import type { Claim } from './claim.ts';

export interface ReloadOptions {
  readonly logger: Logger;
  readonly load: () => Configuration;
  readonly groups: () => ReadonlyMap<string, Group>;
  /** Makes the group of a section that was not there before; nothing of it runs yet. */
  readonly addGroup: (config: SectionConfig, sockets: readonly ListeningSocket[]) => Group;
  /** Takes pidfiles and addresses that are new; gives nothing up before `commit`. */
  readonly claim: (next: Configuration) => Promise<Claim>;
  /** Puts the new configuration in force. Throws where the log files cannot be opened; then nothing has changed. */
  readonly commit: (next: Configuration, added: readonly Group[], claim: Claim) => void;
}

export class Reload {
  readonly #options: ReloadOptions;
  #underWay = false;
  /** Another request came while one was under way: the files may have changed since that one read them. */
  #again = false;
  #cancelled = false;
  #joining: readonly Group[] = [];
  #load: () => Configuration;

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#load = options.load;
  }

  /** Groups of new sections, while it is open whether they will stay. */
  get joining(): readonly Group[] {
    return this.#joining;
  }

  /** Whether it is open if a new configuration takes effect. */
  get isUnderWay(): boolean {
    return this.#underWay;
  }

  /** Begins a reload; one that is still being prepared gives way to it. `load` is for one that reads no file. */
  request(load = this.#options.load): void {
    this.#load = load;
    if (this.#underWay) {
      this.#again = true;
      this.#abandon('a newer reload took its place');
      return;
    }
    void this.#run();
  }

  /** The supervisor stops: what is being prepared is given up. */
  cancel(): void {
    this.#cancelled = true;
    this.#again = false;
    this.#abandon('the supervisor is stopping');
  }

  async #run(): Promise<void> {
    const { logger } = this.#options;
    this.#underWay = true;
    do {
      this.#again = false;
      logger.info('reloading');
      try {
        await this.#try();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (this.#again || this.#cancelled) logger.info(`reload given up: ${message}`);
        else logger.error(fieldsOf(error), `reload failed, everything stays as it was: ${message}`);
      }
    } while (this.#again && !this.#cancelled);
    this.#underWay = false;
  }

  async #try(): Promise<void> {
    const { groups, addGroup, claim, commit } = this.#options;
    const next = this.#load();
    const claimed = await claim(next);
    if (this.#cancelled) {
      claimed.rollback();
      return;
    }
    try {
      const sections = [...next.sections.values()];
      const kept = sections.filter(config => {
        const group = groups().get(config.name);
        return group && !isTheSame(group, config, claimed.sockets(config.name));
      });
      this.#joining = sections
        .filter(({ name }) => !groups().has(name))
        .map(config => addGroup(config, claimed.sockets(config.name)));
      const prepared = kept.map(config =>
        groups().get(config.name)?.prepare(config, claimed.sockets(config.name)),
      );
      await Promise.all([...prepared, ...this.#joining.map(up)]);
      for (const { name } of kept) groups().get(name)?.assertPrepared();
      commit(next, this.#joining, claimed);
    } catch (error) {
      this.#abandon('another section failed');
      claimed.rollback();
      throw error;
    } finally {
      this.#joining = [];
    }
  }

  #abandon(reason: string): void {
    for (const group of this.#options.groups().values()) group.rollback(reason);
    for (const group of this.#joining) group.quit();
  }
}

/** Whether workers of a new generation would have nothing new; a configuration that was read anew counts as new. */
function isTheSame(group: Group, config: SectionConfig, sockets: readonly ListeningSocket[]): boolean {
  return group.config === config && sockets.every((socket, at) => socket === group.sockets[at]);
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
