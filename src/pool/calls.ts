/** What tasks have in common that are called alike: written once for all of them that go together. */

import type { TaskCall } from '../channel/tasks.ts';
import { timeLimit } from '../channel/time-limit.ts';
import { Modules } from './modules.ts';

/** More of them are forgotten: a program that makes up a time limit for each task must not fill memory with them. */
const most = 1000;

export class Calls {
  readonly #timeout: number;
  readonly #modules: Modules;
  readonly #calls = new Map<string, TaskCall>();

  /** `timeout` is that of a call without its own, ms; 0: none. */
  constructor(timeout: number, ts: 'auto' | 'native' | 'tsx') {
    this.#timeout = timeout;
    this.#modules = new Modules(ts);
  }

  get(kind: TaskCall['kind'], name: string, ownTimeout?: number, window?: number): TaskCall {
    const isPlain = kind === 'run' && ownTimeout === undefined;
    const key = isPlain ? name : `${kind} ${ownTimeout} ${window} ${name}`;
    return this.#calls.get(key) ?? this.#add(key, this.#create(kind, name, ownTimeout, { window }));
  }

  /** Of another file than the pool's task module. Rejects where it cannot be loaded. */
  async ofModule(filename: string | URL, name: string, ownTimeout?: number): Promise<TaskCall> {
    const module = await this.#modules.source(filename);
    const key = `${ownTimeout} ${name} ${module.entry}`;
    return this.#calls.get(key) ?? this.#add(key, this.#create('run', name, ownTimeout, { module }));
  }

  #create(
    kind: TaskCall['kind'],
    name: string,
    ownTimeout: number | undefined,
    rest: Pick<TaskCall, 'window' | 'module'>,
  ): TaskCall {
    return { kind, name, timeout: timeLimit(ownTimeout ?? this.#timeout), attempt: 1, ...rest };
  }

  #add(key: string, call: TaskCall): TaskCall {
    if (this.#calls.size >= most) this.#calls.clear();
    this.#calls.set(key, call);
    return call;
  }
}
