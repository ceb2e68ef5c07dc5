/** A user's project in a temporary directory, with this package installed. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanUp } from './cleanup.ts';

export const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

export interface Project {
  readonly directory: string;
  /** Absolute path of a file in it. */
  path(name: string): string;
  write(name: string, content: string): string;
}

/** Removed when the test ends. */
export function createProject(t: TestContext, files: Readonly<Record<string, string>>): Project {
  const directory = mkdtempSync(join(tmpdir(), 'ph-test-'));
  cleanUp(t, () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const project: Project = {
    directory,
    path: name => join(directory, name),
    write(name, content) {
      const path = join(directory, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      return path;
    },
  };
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(packageRoot, join(directory, 'node_modules', 'processhandler'));
  for (const [name, content] of Object.entries(files)) project.write(name, content);
  return project;
}

/** A task module with a SyncWorker that has these members; it waits 50 ms a round where they do not say otherwise. */
export function workerModule(members = '', rest = ''): string {
  return `import { SyncWorker } from 'processhandler';
export default class extends SyncWorker {
  handleRequest() { return this.sleep(50); }
  ${members}
}
${rest}
`;
}

/** The text of a `ph.ini`. */
export function iniText(
  sections: Readonly<Record<string, Readonly<Record<string, string | number>>>>,
): string {
  return Object.entries(sections)
    .map(([name, keys]) =>
      [`[${name}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${value}`), ''].join('\n'),
    )
    .join('\n');
}

/** The pidfiles and marks of upgrades in the project, by name; the control sockets beside them are none. */
export function pidfilesOf({ directory }: Project): string[] {
  return readdirSync(directory)
    .filter(name => name.includes('.pid') && !name.includes('.sock'))
    .sort();
}
