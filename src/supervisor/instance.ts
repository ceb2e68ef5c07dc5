/** Which supervisor of a configuration this one is, and the pidfiles that it holds. */

import { closeSync } from 'node:fs';
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

export class Instance {
  /** 1 for the first; the k-th of a configuration with `single_instance = false` has k, and `<pidfile>.k`. */
  readonly number: number;
  #pidfiles: readonly Pidfile[];

  private constructor(number: number, pidfiles: readonly Pidfile[]) {
    this.number = number;
    this.#pidfiles = pidfiles;
  }

  /** Throws `AlreadyRunningError` where only one may run, and `PidfileError`; then no pidfile is held. */
  static async claim(paths: readonly string[], single: boolean): Promise<Instance> {
    for (let number = 1; ; number++) {
      try {
        return new Instance(number, await all(namesFor(paths, number), Pidfile.claim));
      } catch (error) {
        if (single || number === mostInstances || !(error instanceof AlreadyRunningError)) throw error;
      }
    }
  }

  /**
   * Shares the locks of the supervisor that this one is to replace, and takes those that are new; the files are left
   * alone until `takeCharge()`. Throws `AlreadyRunningError` and `PidfileError`.
   */
  static async succeed(handover: Handover, paths: readonly string[]): Promise<Instance> {
    const { instance, locks } = handover;
    const reserve = (path: string) => Pidfile.reserve(path, handover);
    const pidfiles = await all(namesFor(paths, instance), reserve);
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
        this.#pidfiles = [...held.filter(pidfile => wanted.includes(pidfile.path)), ...added];
        for (const pidfile of held) if (!wanted.includes(pidfile.path)) pidfile.release();
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
    const marks: Pidfile[] = [];
    const removeMarks = () => {
      for (const mark of marks) mark.release();
    };
    try {
      for (const { path } of held) marks.push(Pidfile.mark(markOf(path)));
    } catch (error) {
      removeMarks();
      throw error;
    }
    return {
      pidfiles: held.map(({ path }) => path),
      locks: Object.fromEntries(held.flatMap(({ lock }) => (lock ? [[lock.name, lock.fd]] : []))),
      commit: () => {
        this.#pidfiles = marks;
        for (const pidfile of held) pidfile.release();
      },
      rollback: () => {
        removeMarks();
        for (const pidfile of held) if (readPid(pidfile.path) !== process.pid) pidfile.write();
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

function namesFor(paths: readonly string[], number: number): string[] {
  return paths.map(path => (number === 1 ? path : `${path}.${number}`));
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
