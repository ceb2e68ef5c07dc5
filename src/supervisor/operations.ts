/** Carries out what comes over the control socket. */

import { once } from 'node:events';
import type { Configuration, SectionConfig } from '../config/types.ts';
import type { AnswerOf, Handlers, RequestOf, Status } from '../control/protocol.ts';
import {
  BusyError,
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
import { failureOf, type Sections } from './sections.ts';

export interface OperationsOptions {
  readonly status: () => Status;
  readonly configuration: () => Configuration;
  readonly load: () => Configuration;
  readonly sections: Sections;
  /** Resolves when a change is in force. */
  readonly change: (change: Change) => Promise<void>;
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
    // One that was stopped before may still drain.
    const groups = sections.all.filter(({ name }) => name === section);
    if (sections.groups.has(section)) {
      if (running.length === 1) await stop();
      else await this.#takeOut(section);
    }
    await Promise.all(groups.map(ended));
    return { sections: groups.length > 0 ? [section] : [] };
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
    // Whoever scaled it, or reloaded it, in the meantime.
    return { section, before, after: group.desired };
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
    if (hasNone && group.state === 'failed') throw failureOf(group);
    if (hasNone && group.desired === 0) {
      throw new SectionFailedError(section, `all were drained; \`ph scale ${section}=N\` starts some`);
    }
    const submissions = this.#options.sections.submissions(section);
    const result = await submissions?.run(payload, { name, timeout, signal });
    return { result: toJson(result) };
  }

  async #takeOut(section: string): Promise<void> {
    const { sections, configuration, change } = this.#options;
    sections.hold([section]);
    try {
      await change({ load: configuration, inTurn: true, what: `stopping [${section}]` });
    } catch (error) {
      if (sections.groups.has(section)) sections.release([section]);
      throw error;
    }
    if (sections.groups.has(section)) throw new BusyError(`[${section}] was asked to run again meanwhile`);
  }

  /** Sections that were stopped by themselves start again where they are meant. */
  async #change(section: string | undefined, how: 'restart' | 'reload'): Promise<SectionChange[]> {
    const { sections, configuration, load, change } = this.#options;
    const before = new Map(sections.groups);
    const isMeant = (name: string) => section === undefined || name === section;
    const released = [...sections.held].filter(name => name === section);
    sections.release(released);
    const restarts = how === 'restart' ? [...before.keys()].filter(isMeant) : [];
    try {
      await change({
        load: () => (section === undefined ? load() : this.#withSection(configuration(), load(), section)),
        restarts: new Set(restarts),
        // One section's change must not be taken for that of all.
        inTurn: section !== undefined || how === 'restart',
        what:
          how === 'restart'
            ? `restarting ${section === undefined ? 'all sections' : `[${section}]`}`
            : undefined,
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
    if (!group || group.state === 'stopped') {
      const what = group ? 'all of them have ended' : 'it was stopped';
      throw new SectionFailedError(section, `${what}; \`ph restart ${section}\` starts it`);
    }
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
      const { obstacle, state } = group;
      if (isReached()) settle(resolve);
      else if (obstacle) settle(() => reject(new ReloadError(group.name, obstacle)));
      else if (state === 'stopping' || state === 'stopped') {
        settle(() => reject(new StoppingError(`[${group.name}]`)));
      }
    };
    group.on('reconciled', check);
    group.on('stopped', check);
    check();
  });
}

/** Resolves when the group has no process left. */
async function ended(group: Group): Promise<void> {
  if (group.state !== 'stopped') await once(group, 'stopped');
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
