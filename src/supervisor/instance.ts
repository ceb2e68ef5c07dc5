/** Which supervisor of a configuration this one is, and the pidfiles that it holds. */

import { AlreadyRunningError } from '../errors.ts';
import { Pidfile } from './pidfile.ts';

/** More supervisors of one configuration than this are a mistake in a script. */
const mostInstances = 1000;

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
        return new Instance(number, await claimAll(paths.map(path => nameFor(path, number))));
      } catch (error) {
        if (single || number === mostInstances || !(error instanceof AlreadyRunningError)) throw error;
      }
    }
  }

  /** Claims what a new configuration names and this one does not hold yet; nothing is given up before `commit`. */
  async prepare(paths: readonly string[]): Promise<{ commit: () => void; rollback: () => void }> {
    const wanted = paths.map(path => nameFor(path, this.number));
    const held = this.#pidfiles;
    const added = await claimAll(wanted.filter(path => !held.some(pidfile => pidfile.path === path)));
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

  get pidfiles(): readonly Pidfile[] {
    return this.#pidfiles;
  }

  release(): void {
    for (const pidfile of this.#pidfiles) pidfile.release();
    this.#pidfiles = [];
  }
}

function nameFor(path: string, number: number): string {
  return number === 1 ? path : `${path}.${number}`;
}

async function claimAll(paths: readonly string[]): Promise<Pidfile[]> {
  const claimed: Pidfile[] = [];
  try {
    for (const path of paths) claimed.push(await Pidfile.claim(path));
  } catch (error) {
    for (const pidfile of claimed) pidfile.release();
    throw error;
  }
  return claimed;
}
