/** The files that `run()` may name beside the task module of the pool. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ModuleSource } from '../channel/control.ts';
import { TaskModuleError } from '../errors.ts';
import { typescriptLoader } from '../group/launch.ts';

export class Modules {
  readonly #ts: 'auto' | 'native' | 'tsx';
  readonly #sources = new Map<string, Promise<ModuleSource>>();

  constructor(ts: 'auto' | 'native' | 'tsx') {
    this.#ts = ts;
  }

  /** Rejects with a `TaskModuleError` where there is no such file, and a `CompileError`. */
  source(filename: string | URL): Promise<ModuleSource> {
    const task = pathOf(filename);
    const known = this.#sources.get(task);
    if (known) return known;
    const source = this.#prepare(task);
    this.#sources.set(task, source);
    // The next call may find it mended.
    source.catch(() => this.#sources.delete(task));
    return source;
  }

  async #prepare(task: string): Promise<ModuleSource> {
    if (!existsSync(task)) throw new TaskModuleError(`${task} does not exist`);
    const loader = typescriptLoader({ task, ts: this.#ts });
    if (loader !== 'compiled') return { task, entry: task, loader };
    const { compileTaskModule } = await import('../group/compile.ts');
    return { task, entry: await compileTaskModule(task), loader };
  }
}

function pathOf(filename: string | URL): string {
  if (filename instanceof URL || filename.startsWith('file:')) return fileURLToPath(filename);
  return resolve(filename);
}
