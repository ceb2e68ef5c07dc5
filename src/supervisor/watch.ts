/** `--watch`: tells when a task module, or a file of the user's that it imports, has changed. */

import { resolve } from 'node:path';
import { watch } from 'chokidar';
import { build } from 'esbuild';

/** Editors write a file in several steps; what comes within this time is one change, ms. */
const settleTime = 100;

export interface ModuleWatcher {
  /** Watches what these task modules import now. */
  update(taskModules: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** `onChange` gets the path of one of the files that changed. */
export function watchModules(onChange: (path: string) => void): ModuleWatcher {
  const watcher = watch([], { ignoreInitial: true, atomic: true });
  const watched = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  watcher.on('all', (_event, path) => {
    clearTimeout(timer);
    timer = setTimeout(onChange, settleTime, path);
  });
  return {
    async update(taskModules) {
      const wanted = new Set((await Promise.all(taskModules.map(importedFiles))).flat());
      watcher.unwatch([...watched].filter(path => !wanted.has(path)));
      watcher.add([...wanted].filter(path => !watched.has(path)));
      watched.clear();
      for (const path of wanted) watched.add(path);
    },
    async close() {
      clearTimeout(timer);
      await watcher.close();
    },
  };
}

/** The module and all files of the project that it imports; only the module where it cannot be read. */
async function importedFiles(taskModule: string): Promise<string[]> {
  try {
    const { metafile } = await build({
      entryPoints: [taskModule],
      absWorkingDir: '/',
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      metafile: true,
      write: false,
      logLevel: 'silent',
    });
    return [taskModule, ...Object.keys(metafile.inputs).map(path => resolve('/', path))];
  } catch {
    return [taskModule];
  }
}
