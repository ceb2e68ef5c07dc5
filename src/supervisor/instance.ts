/** Which supervisor of a configuration this one is, and the pidfiles that it holds. */

import { closeSync } from 'node:fs';
import type { SupervisorConfig } from '../config/types.ts';
import { AlreadyRunningError } from '../errors.ts';
import type { Handover } from './handover.ts';
import { Pidfile, readPid, removePid } from './pidfile.ts';

/** More supervisors of one configuration than this are a mistake in a script. */
const mostInstances = 1000;

/** A change of pidfiles that is under way. */
interface Change {
  readonly commit: () => void;
  readonly rollback: () => void;
}

export type InstanceConfig = Pick<SupervisorConfig, 'pidfiles' | 'singleInstance' | 'controlSocket'>;

export class Instance {
  /** 1 for the first; the k-th of a configuration with `single_instance = false` has k, and `<pidfile>.k`. */
  readonly number: number;
  #pidfiles: readonly Pidfile[];

  private constructor(number: number, pidfiles: readonly Pidfile[]) {
    this.number = number;
    this.#pidfiles = pidfiles;
  }

  /** Throws `AlreadyRunningError` where only one may run, and `PidfileError`; then no pidfile is held. */
  static async claim(config: InstanceConfig): Promise<Instance> {
    const isSingle = config.singleInstance && config.pidfiles.length > 0;
    for (let number = 1; ; number++) {
      try {
        return new Instance(number, await take(config, number));
      } catch (error) {
        if (isSingle || number === mostInstances || !(error instanceof AlreadyRunningError)) throw error;
      }
    }
  }

  /**
   * Shares the locks of the supervisor that this one is to replace, and takes those that are new; the files are left
   * alone until `takeCharge()`. Throws `AlreadyRunningError` and `PidfileError`.
   */
  static async succeed(handover: Handover, config: InstanceConfig): Promise<Instance> {
    const { instance, locks } = handover;
    const pidfiles = await take(config, instance, handover);
    const shared = new Set(pidfiles.map(({ lock }) => lock?.name));
    for (const [name, fd] of Object.entries(locks)) if (!shared.has(name)) closeSync(fd);
    return new Instance(instance, pidfiles);
  }

  /** From now on the pidfiles name this supervisor. Throws a `PidfileError`. */
  takeCharge(): void {
    for (const pidfile of this.#pidfiles) pidfile.write();
  }

  /** Claims what a new configuration names and this one does not hold yet; nothing is given up before `commit`. */
  async prepare(paths: readonly string[]): Promise<Change> {
    const wanted = namesFor(paths, this.number);
    const held = this.#pidfiles;
    const added = await all(
      wanted.filter(path => !held.some(pidfile => pidfile.path === path)),
      Pidfile.claim,
    );
    return {
      commit: () => {
        const isKept = ({ path, hasFile }: Pidfile) => !hasFile || wanted.includes(path);
        this.#pidfiles = [...held.filter(isKept), ...added];
        for (const pidfile of held) if (!isKept(pidfile)) pidfile.release();
      },
      rollback: () => {
        for (const pidfile of added) pidfile.release();
      },
    };
  }

  /**
   * Puts `<pidfile>.oldbin` beside each pidfile, which names this supervisor too until the new one is in charge.
   * `commit` leaves the pidfiles to that one, `rollback` takes them back. Throws a `PidfileError`.
   */
  prepareUpgrade(): Change & Pick<Handover, 'pidfiles' | 'locks'> {
    const held = this.#pidfiles;
    const files = held.filter(({ hasFile }) => hasFile);
    const marks: Pidfile[] = [];
    const removeMarks = () => {
      for (const mark of marks) mark.release();
    };
    try {
      for (const { path } of files) marks.push(Pidfile.mark(markOf(path)));
    } catch (error) {
      removeMarks();
      throw error;
    }
    return {
      pidfiles: files.map(({ path }) => path),
      locks: Object.fromEntries(held.flatMap(({ lock }) => (lock ? [[lock.name, lock.fd]] : []))),
      commit: () => {
        this.#pidfiles = marks;
        for (const pidfile of held) pidfile.release();
      },
      rollback: () => {
        removeMarks();
        for (const pidfile of files) if (readPid(pidfile.path) !== process.pid) pidfile.write();
      },
    };
  }

  get pidfiles(): readonly Pidfile[] {
    return this.#pidfiles;
  }

  release(): void {
    for (const pidfile of this.#pidfiles) pidfile.release();
    this.#pidfiles = [];
  }
}

/** Removes what a supervisor that was killed in an upgrade has left; what names another one stays. */
export function removeTraces({ pid, pidfiles }: Handover): void {
  for (const path of pidfiles) for (const trace of [path, markOf(path)]) removePid(trace, pid);
}

function markOf(path: string): string {
  return `${path}.oldbin`;
}

/** The name that the k-th supervisor of a configuration has for a file of its own. */
export function nameFor(path: string, number: number): string {
  return number === 1 ? path : `${path}.${number}`;
}

function namesFor(paths: readonly string[], number: number): string[] {
  return paths.map(path => nameFor(path, number));
}

/** Where there is no pidfile, the lock of the control socket's path still gives every supervisor its own number. */
function take({ pidfiles, controlSocket }: InstanceConfig, number: number, shared?: Handover) {
  if (pidfiles.length === 0) {
    return all(namesFor([controlSocket], number), path => Pidfile.withoutFile(path, shared));
  }
  return all(namesFor(pidfiles, number), path =>
    shared ? Pidfile.reserve(path, shared) : Pidfile.claim(path),
  );
}

/** All of them, or none. */
async function all(
  paths: readonly string[],
  take: (path: string) => Promise<Pidfile>,
): Promise<readonly Pidfile[]> {
  const taken: Pidfile[] = [];
  try {
    for (const path of paths) taken.push(await take(path));
  } catch (error) {
    for (const pidfile of taken) pidfile.release();
    throw error;
  }
  return taken;
}
