/** Carries out what comes over the control socket. */

import { once } from 'node:events';
import type { Configuration, SectionConfig } from '../config/types.ts';
import type { AnswerOf, Handlers, RequestOf, Status } from '../control/protocol.ts';
import {
  ControlError,
  ExitCode,
  NoSectionError,
  ReloadError,
  ResultError,
  SectionFailedError,
  StoppingError,
} from '../errors.ts';
import type { Group } from '../group/group.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import { planReload } from './plan.ts';
import type { Change } from './reload.ts';
import type { Sections } from './sections.ts';

export interface OperationsOptions {
  readonly status: () => Status;
  readonly configuration: () => Configuration;
  readonly load: () => Configuration;
  readonly sections: Sections;
  /** Resolves when a change is in force. */
  readonly change: (change: Change) => Promise<void>;
  /** Resolves when no change is being prepared. */
  readonly idle: () => Promise<void>;
  /** Resolves to the pid of the supervisor that has taken over. */
  readonly upgrade: () => Promise<number>;
  /** Resolves when no worker is left. */
  readonly stop: () => Promise<void>;
}

type SectionChange = AnswerOf<'reload'>['sections'][number];

export class Operations implements Handlers {
  readonly #options: OperationsOptions;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  async status(): Promise<Status> {
    return this.#options.status();
  }

  /** The last section that stops ends the supervisor. */
  async stop({ section }: RequestOf<'stop'>): Promise<AnswerOf<'stop'>> {
    const { sections, configuration, stop } = this.#options;
    const running = [...sections.groups.keys()];
    if (section === undefined) {
      await stop();
      return { sections: running };
    }
    this.#assertKnown(section, configuration());
    const group = sections.groups.get(section);
    if (!group) return { sections: [] };
    if (running.length === 1) await stop();
    else await this.#stopSection(section, group);
    return { sections: [section] };
  }

  async restart({ section }: RequestOf<'restart'>): Promise<AnswerOf<'restart'>> {
    return { sections: await this.#change(section, 'restart') };
  }

  async reload({ section }: RequestOf<'reload'>): Promise<AnswerOf<'reload'>> {
    return { sections: await this.#change(section, 'reload') };
  }

  plan({ section }: RequestOf<'plan'>): Promise<AnswerOf<'plan'>> {
    const { configuration, load } = this.#options;
    return planReload(configuration(), load, section);
  }

  async upgrade(): Promise<AnswerOf<'upgrade'>> {
    return { pid: await this.#options.upgrade() };
  }

  async scale({ section, workers }: RequestOf<'scale'>): Promise<AnswerOf<'scale'>> {
    const group = this.#group(section);
    const before = group.desired;
    const after = /^[+-]/.test(workers) ? before + Number(workers) : Number(workers);
    if (after < 1) {
      throw new ControlError(
        'PH_ERR_CONTROL_REQUEST',
        `[${section}] has ${before} workers, and 1 is the least: \`ph stop ${section}\` ends them all`,
        { exitCode: ExitCode.usage },
      );
    }
    group.scaleTo(after);
    await reached(group, () => group.isComplete && !group.isDraining);
    return { section, before, after };
  }

  async stack({
    section,
    index,
  }: {
    section?: string | undefined;
    index?: number | undefined;
  }): Promise<AnswerOf<'stack'>> {
    const groups =
      section === undefined ? [...this.#options.sections.groups.values()] : [this.#group(section)];
    const workers = groups.flatMap(group => group.workers.map(worker => ({ section: group.name, worker })));
    const meant = workers.filter(({ worker }) => index === undefined || worker.index === index);
    if (index !== undefined && meant.length === 0) {
      const known = workers.map(({ worker }) => `${section}#${worker.index}`);
      throw new ControlError(
        'PH_ERR_NO_WORKER',
        `there is no worker ${section}#${index}; there are: ${known.join(', ')}`,
      );
    }
    return { workers: await Promise.all(meant.map(({ section, worker }) => stackOf(section, worker))) };
  }

  async submit(request: RequestOf<'submit'>, signal: AbortSignal): Promise<AnswerOf<'submit'>> {
    const { section, payload, name, timeout } = request;
    const group = this.#group(section);
    const hasNone = group.workers.every(({ state }) => state !== 'ready');
    if (hasNone && (group.state === 'failed' || group.state === 'stopped')) {
      throw new SectionFailedError(section, group.lastFailure?.message ?? 'its workers have ended');
    }
    const submissions = this.#options.sections.submissions(section);
    const result = await submissions?.run(payload, { name, timeout, signal });
    return { result: toJson(result) };
  }

  async #stopSection(section: string, group: Group): Promise<void> {
    const { sections, configuration, change, idle } = this.#options;
    await idle();
    sections.hold([section]);
    const stopped = once(group, 'stopped');
    await change({ load: configuration, what: `stopping [${section}]` });
    await stopped;
  }

  /** Sections that were stopped by themselves start again where they are meant. */
  async #change(section: string | undefined, how: 'restart' | 'reload'): Promise<SectionChange[]> {
    const { sections, configuration, load, change, idle } = this.#options;
    const before = new Map(sections.groups);
    const isMeant = (name: string) => section === undefined || name === section;
    // One section's change must not be taken for that of all.
    if (section !== undefined || how === 'restart') await idle();
    const released = [...sections.held].filter(name => name === section);
    sections.release(released);
    const restarts = how === 'restart' ? [...before.keys()].filter(isMeant) : [];
    try {
      await change({
        load: () => (section === undefined ? load() : this.#withSection(configuration(), load(), section)),
        restarts: new Set(restarts),
        what: how === 'restart' ? `restarting ${restarts.map(name => `[${name}]`).join(', ')}` : undefined,
      });
    } catch (error) {
      sections.hold(released);
      throw error;
    }
    const groups = [...sections.groups.values()].filter(({ name }) => isMeant(name));
    await Promise.all(groups.map(group => reached(group, () => group.isComplete)));
    const removed = [...before.keys()].filter(name => isMeant(name) && !sections.groups.has(name));
    return [
      ...groups.map(({ name, generation, desired: workers }) => {
        const change = how === 'restart' ? 'restarted' : before.has(name) ? 'replaced' : 'added';
        return { name, change, generation, workers } as const;
      }),
      ...removed.map(name => ({ name, change: 'removed', generation: 0, workers: 0 }) as const),
    ];
  }

  /** The configuration in force, with one section as it is in the new one. */
  #withSection(current: Configuration, next: Configuration, name: string): Configuration {
    this.#assertKnown(name, next);
    const sections = new Map(current.sections).set(name, next.sections.get(name) as SectionConfig);
    const texts = new Map(current.texts).set(name, next.texts.get(name) ?? new Map());
    return { ...current, sections, texts };
  }

  #group(section: string): Group {
    const { sections, configuration } = this.#options;
    this.#assertKnown(section, configuration());
    const group = sections.groups.get(section);
    if (!group) throw new SectionFailedError(section, `it was stopped; \`ph restart ${section}\` starts it`);
    return group;
  }

  #assertKnown(section: string, { sections }: Configuration): void {
    if (!sections.has(section)) throw new NoSectionError(section, sections.keys());
  }
}

/** Resolves when the group has come to a state; rejects where it cannot, or stops. */
function reached(group: Group, isReached: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (action: () => void) => {
      group.removeListener('reconciled', check);
      group.removeListener('stopped', check);
      action();
    };
    const check = () => {
      const { bootFailure, state } = group;
      if (isReached()) settle(resolve);
      else if (bootFailure) settle(() => reject(new ReloadError(group.name, bootFailure)));
      else if (state === 'stopping' || state === 'stopped') settle(() => reject(new StoppingError()));
    };
    group.on('reconciled', check);
    group.on('stopped', check);
    check();
  });
}

async function stackOf(section: string, worker: WorkerProcess) {
  const { index, pid = 0, heartbeat } = worker;
  return {
    section,
    index,
    pid,
    frames: [...(await worker.stack())],
    running: [...(heartbeat?.running ?? [])],
  };
}

/** Throws a `ResultError` for what JSON cannot say. */
function toJson(value: unknown): AnswerOf<'submit'>['result'] {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null');
  } catch (error) {
    throw new ResultError((error as Error).message, error);
  }
}
