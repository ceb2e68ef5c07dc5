/** `--watch`: tells when a task module, or a file of the user's that it imports, has changed. */

import { once } from 'node:events';
import { resolve } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { PluginBuild } from 'esbuild';
import { build } from '../group/esbuild.ts';

/** Editors write a file in several steps; what comes within this time is one change, ms. */
const settleTime = 100;

export interface ModuleWatcher {
  /** Watches these task modules and what they import now; resolves when no change can be missed any more. */
  update(taskModules: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** `onError` is told where the system cannot watch a file. */
export function watchModules(onChange: () => void, onError: (error: unknown) => void): ModuleWatcher {
  let watcher: FSWatcher | undefined;
  let watched: readonly string[] = [];
  let timer: NodeJS.Timeout | undefined;

  async function update(taskModules: readonly string[]): Promise<void> {
    watched = taskModules;
    const files = new Set((await Promise.all(taskModules.map(importedFiles))).flat());
    const previous = watcher;
    const next = watch([...files], { ignoreInitial: true, atomic: true });
    watcher = next;
    next.on('error', onError);
    next.on('all', () => {
      clearTimeout(timer);
      timer = setTimeout(changed, settleTime);
    });
    // An error is told by the handler above; the other files are watched all the same.
    await once(next, 'ready').catch(() => {});
    // Not before: what changes in between, one of the two sees.
    await previous?.close();
  }

  function changed(): void {
    // Also where the change turns out to be broken, since what mends it may be in a file that it imports newly.
    update(watched).then(onChange, onError);
  }

  return {
    update,
    async close() {
      clearTimeout(timer);
      await watcher?.close();
    },
  };
}

/** The module and all files of the project that it imports, also those that cannot be read or are not there yet. */
async function importedFiles(taskModule: string): Promise<string[]> {
  const files = new Set([taskModule]);
  const collect = {
    name: 'collect',
    setup({ onResolve, onLoad }: PluginBuild) {
      onResolve({ filter: /^\.{0,2}\// }, ({ path, resolveDir }) => {
        files.add(resolve(resolveDir, path));
        return undefined;
      });
      onLoad({ filter: /./ }, ({ path }) => {
        files.add(path);
        return undefined;
      });
    },
  };
  await build({
    entryPoints: [taskModule],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    plugins: [collect],
    write: false,
    logLevel: 'silent',
  }).catch(() => {});
  return [...files];
}
