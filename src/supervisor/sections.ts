/** The groups of a supervisor: those of the configuration in force, and those that have left it and still drain. */

import type { ErrorReport } from '../channel/control.ts';
import type { Configuration, SectionConfig } from '../config/types.ts';
import { PoolClosedError, SectionFailedError } from '../errors.ts';
import { Group } from '../group/group.ts';
import type { ListeningSocket } from '../group/spawn.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import type { Logs } from '../log/logs.ts';
import type { Claim } from './claim.ts';
import type { Reporter } from './reporter.ts';
import { Submissions } from './submissions.ts';

export interface SectionsOptions {
  readonly logs: Logs;
  readonly reporter: Reporter;
  /** Number of the supervisor among those of one configuration. */
  readonly instance: number;
  /** Monotonic ms in which this process was awake. */
  readonly now: () => number;
  /** Whether another supervisor serves while new groups start. */
  readonly startsGently: () => boolean;
  /** A worker boots. */
  readonly onBooting: () => void;
  /** It is known of one more section whether its workers can boot. */
  readonly onStarted: () => void;
  /** A group has no process left. */
  readonly onStopped: () => void;
}

export class Sections {
  readonly #options: SectionsOptions;
  readonly #groups = new Map<string, Group>();
  readonly #submissions = new WeakMap<Group, Submissions>();
  /** Of sections that a reload has taken out, or that were stopped by themselves; they drain. */
  readonly #removed = new Set<Group>();
  readonly #held = new Set<string>();
  readonly #bootFailures = new Map<string, ErrorReport>();

  constructor(options: SectionsOptions) {
    this.#options = options;
  }

  /** Those of the configuration in force, by section. */
  get groups(): ReadonlyMap<string, Group> {
    return this.#groups;
  }

  /** Those that have processes, or will have some. */
  get all(): readonly Group[] {
    return [...this.#groups.values(), ...this.#removed];
  }

  /** Sections whose workers could not boot at the first try. */
  get bootFailures(): ReadonlyMap<string, ErrorReport> {
    return this.#bootFailures;
  }

  /** Sections that were stopped by themselves, and stay so over reloads until they are asked for. */
  get held(): ReadonlySet<string> {
    return this.#held;
  }

  hold(names: Iterable<string>): void {
    for (const name of names) this.#held.add(name);
  }

  release(names: Iterable<string>): void {
    for (const name of names) this.#held.delete(name);
  }

  /** The configuration without the sections that are held. */
  serving(configuration: Configuration): Configuration {
    const sections = [...configuration.sections].filter(([name]) => !this.#held.has(name));
    return { ...configuration, sections: new Map(sections) };
  }

  /** Where tasks for a section are handed in; undefined where it does not run. */
  submissions(section: string): Submissions | undefined {
    const group = this.#groups.get(section);
    return group && this.#submissions.get(group);
  }

  /** Makes a group; nothing of it runs yet. */
  create(config: SectionConfig, sockets: readonly ListeningSocket[]): Group {
    const { logs, reporter, instance, now, startsGently, onStopped } = this.#options;
    const submissions = new Submissions(() => group.config);
    const group: Group = new Group({
      config,
      sockets,
      instance,
      logger: logs.logger(config.name),
      now,
      attach: worker => {
        submissions.attach(worker);
        reporter.watchWorker(worker);
        return this.#collect(config.name, worker);
      },
      startsGently: startsGently(),
    });
    this.#submissions.set(group, submissions);
    reporter.watchGroup(group);
    group.on('state', state => {
      const serves = group.workers.some(worker => worker.state === 'ready');
      if (state === 'failed' && !serves) submissions.giveUp(failureOf(group));
    });
    group.on('stopped', () => {
      submissions.giveUp(new PoolClosedError('the section was stopped before the task began'));
      this.#removed.delete(group);
      onStopped();
    });
    return group;
  }

  add(group: Group): void {
    this.#groups.set(group.name, group);
    group.on('started', failure => {
      if (failure) this.#bootFailures.set(group.name, failure);
      this.#options.onStarted();
    });
  }

  /** Starts the workers of all sections. */
  start(configuration: Configuration, socketsOf: (section: string) => readonly ListeningSocket[]): void {
    for (const config of configuration.sections.values()) {
      const sockets = socketsOf(config.name);
      this.#logListening(config.name, sockets);
      this.add(this.create(config, sockets));
    }
    for (const group of this.#groups.values()) group.reconcile();
  }

  /** The point of a reload after which the groups of the new configuration are those in force. */
  commit(next: Configuration, added: readonly Group[], claim: Claim, restarts: ReadonlySet<string>): void {
    for (const name of next.sections.keys()) {
      const before = this.#groups.get(name)?.sockets ?? [];
      this.#logListening(
        name,
        claim.sockets(name).filter(socket => !before.includes(socket)),
      );
    }
    // Before a worker drains that still has a socket which is to go.
    claim.commit();
    for (const [name, group] of this.#groups) {
      const config = next.sections.get(name);
      if (!config) this.#remove(group);
      else if (restarts.has(name)) group.restart(config, claim.sockets(name));
      else group.commit();
    }
    for (const group of added) this.add(group);
  }

  #remove(group: Group): void {
    this.#groups.delete(group.name);
    this.#bootFailures.delete(group.name);
    // One whose workers had all ended for good has nothing to stop.
    if (group.state !== 'stopped') this.#removed.add(group);
    group.stop();
  }

  #collect(section: string, { pid, index, stdout, stderr }: WorkerProcess): { readonly paused: boolean } {
    this.#options.onBooting();
    if (pid === undefined || !stdout || !stderr) return { paused: false };
    return this.#options.logs.collect({ section, pid, index, stdout, stderr });
  }

  #logListening(section: string, sockets: readonly ListeningSocket[]): void {
    const logger = this.#options.logs.logger(section);
    for (const { address } of sockets) logger.info(`listening on ${address}`);
  }
}

/** What whoever wants a worker of a section is told that has none, and will not have one soon. */
export function failureOf({ name, lastFailure }: Group): SectionFailedError {
  return new SectionFailedError(name, lastFailure?.message ?? 'its workers have ended');
}
