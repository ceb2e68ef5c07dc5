/** Tells those outside how the supervisor gets on: systemd, and the hooks of `ph.ini`. */

import type { Logger } from 'pino';
import type { ErrorReport } from '../channel/control.ts';
import type { Configuration, SectionConfig } from '../config/types.ts';
import type { Group } from '../group/group.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import type { Logs } from '../log/logs.ts';
import { type EventFacts, exitFacts, type HookEvent, type HookName, readyFacts } from './hook-events.ts';
import { HookRunner } from './hook-runner.ts';
import { statusText } from './status-text.ts';
import { Systemd, type SystemdOptions } from './systemd.ts';

const keys = {
  on_ready: 'onReady',
  on_exit: 'onExit',
  on_failed: 'onFailed',
  on_reload: 'onReload',
} as const satisfies Record<HookName, keyof SectionConfig>;

type Commands = Partial<Pick<SectionConfig, (typeof keys)[HookName]>>;

export interface ReporterOptions {
  readonly logs: Logs;
  readonly systemd: Omit<SystemdOptions, 'onTrouble'>;
  readonly instance: () => number;
  /** The one in force. */
  readonly configuration: () => Configuration;
  readonly groups: () => readonly Group[];
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #logger: Logger;
  readonly #systemd: Systemd;
  readonly #hooks: HookRunner;
  #reloadFailure: string | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
    const { logs, systemd } = options;
    this.#logger = logs.logger();
    this.#systemd = new Systemd({ ...systemd, onTrouble: message => this.#logger.warn(message) });
    this.#hooks = new HookRunner({
      onTrouble: ({ name, section }, message) => logs.logger(section).warn(`${name}: ${message}`),
      collect: ({ name, ...output }) => void logs.collect({ ...output, hook: name }),
    });
  }

  /** Resolves once systemd knows. */
  async ready(failures: ReadonlyMap<string, ErrorReport>): Promise<void> {
    this.#run('on_ready', readyFacts(this.#options.groups(), failures));
    await this.#systemd.ready(this.#status());
  }

  reloading(): void {
    this.#systemd.reloading();
  }

  /** A reload is over, or `what` is, which is to systemd as good as one. `failure`: everything stays as it was. */
  reloaded(failure: unknown, what: string | undefined): void {
    const reason = failure === undefined ? undefined : messageOf(failure);
    this.#reloadFailure = reason;
    this.#systemd.reloaded(this.#status());
    const outcome = reason === undefined ? 'done' : 'failed';
    if (what === undefined) this.#run('on_reload', { event: 'reload', outcome, reason: reason ?? null });
  }

  stopping(): void {
    this.#systemd.stopping();
  }

  /** Another supervisor is in charge: systemd hears from that one. */
  retire(): void {
    this.#systemd.retire();
  }

  /** From now on its end is told. */
  watchWorker(worker: WorkerProcess): void {
    const { config } = worker.spec;
    // Before its group, which may be failed because of it.
    worker.prependListener('exit', reason => this.#run('on_exit', exitFacts(worker, reason), config));
  }

  /** From now on it is told when it fails for good. */
  watchGroup(group: Group): void {
    let before = group.state;
    group.on('state', state => {
      // None of its workers is to be restarted, and nobody had asked for their end.
      const isOver = state === 'stopped' && before !== 'stopping' && group.hasGivenUp;
      before = state;
      if (state !== 'failed' && !isOver) return;
      const reason = group.lastFailure?.message ?? null;
      this.#run('on_failed', { event: 'failed', reason }, group.config);
    });
  }

  /** Called at every tick. */
  tick(): void {
    this.#systemd.tick(() => this.#status());
  }

  /** Whoever stops at once does not wait for hooks. */
  quit(): void {
    this.#hooks.quit();
  }

  /** Resolves when systemd has heard all and no hook runs any more. */
  async close(): Promise<void> {
    await Promise.all([this.#systemd.close(), this.#hooks.close(this.#hookTimeout)]);
  }

  get #hookTimeout(): number {
    return this.#options.configuration().supervisor.hookTimeout;
  }

  /** `own` is for a section that a reload has taken out, or has not put in force yet. */
  #run(name: HookName, facts: EventFacts, own?: SectionConfig): void {
    const { configuration, instance } = this.#options;
    const { directory, supervisor, sections } = configuration();
    const commands: Commands = own ? (sections.get(own.name) ?? own) : supervisor;
    const command = commands[keys[name]];
    if (command === undefined) return;
    const section = own?.name;
    const { event: type, ...rest } = facts;
    const event = {
      event: type,
      time: new Date().toISOString(),
      section: section ?? null,
      supervisor: { pid: process.pid, instance: instance() },
      ...rest,
    } as HookEvent;
    this.#hooks.run({ name, section, command, event, limit: this.#hookTimeout, directory });
  }

  #status(): string {
    return statusText(this.#options.groups(), this.#reloadFailure);
  }
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
