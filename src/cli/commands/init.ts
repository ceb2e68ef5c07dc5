/** `ph init` */

import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { ExitCode, FilesExistError, UsageError } from '../../errors.ts';
import { reasonOf } from '../../log/target.ts';
import { skeleton } from '../init/skeleton.ts';

export async function init(directory = '.'): Promise<ExitCode> {
  const root = resolve(directory);
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new UsageError(`${root} is no directory; name another`);
  }
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  const files = skeleton({ name: basename(root), version });
  const existing = [...files.keys()].map(path => join(root, path)).filter(path => existsSync(path));
  if (existing.length > 0) throw new FilesExistError(existing);
  writeAll(root, files);
  process.stdout.write(report(root, [...files.keys()]));
  return ExitCode.done;
}

/** All or none. */
function writeAll(root: string, files: ReadonlyMap<string, string>): void {
  const undo: (() => void)[] = [];
  try {
    for (const [path, content] of files) {
      const file = join(root, path);
      // The topmost that had to be made.
      const made = mkdirSync(dirname(file), { recursive: true });
      if (made !== undefined) undo.push(() => removeEmpty(dirname(file), made));
      writeFileSync(file, content, { flag: 'wx' });
      undo.push(() => rmSync(file));
    }
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw new UsageError(`cannot write to ${root}: ${reasonOf(error)}`);
  }
}

function removeEmpty(directory: string, topmost: string): void {
  for (let each = directory; each.startsWith(topmost); each = dirname(each)) rmdirSync(each);
}

function report(root: string, paths: readonly string[]): string {
  const way = relative(process.cwd(), root);
  const place = way.startsWith('..') ? root : way;
  const enter = place === '' ? [] : [`cd ${shellWord(place)}`];
  const steps = [...enter, 'npm install', 'npx ph run', 'npm test'];
  return [
    `ph: wrote to ${root}`,
    ...paths.map(path => `  ${path}`),
    'Next:',
    ...steps.map(step => `  ${step}`),
    '',
  ].join('\n');
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
