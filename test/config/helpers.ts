import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type LoadOptions, type ReadResult, readConfiguration } from '../../src/config/load.ts';

/** A directory that goes when the test ends, with these files. */
export function temporaryDirectory(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'ph-config-')));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

/** Reads `ini` as the ph.ini of a directory that also holds `job.js`. */
export function read(
  t: TestContext,
  ini: string,
  options: Partial<LoadOptions> = {},
): ReadResult & { directory: string } {
  const directory = temporaryDirectory(t, { 'ph.ini': ini, 'job.js': '' });
  const result = readConfiguration({
    file: join(directory, 'ph.ini'),
    directory,
    env: {},
    cores: 4,
    ...options,
  });
  return { ...result, directory };
}

/** `code line [section] key` of each problem, for short expectations. */
export function summary(problems: ReadResult['problems']): string[] {
  return problems.map(({ code, line, section, key }) =>
    [code.replace('PH_ERR_CONFIG_', ''), line, section && `[${section}]`, key]
      .filter(part => part !== undefined)
      .join(' '),
  );
}

/** Sections of Maps as plain objects without prototype, so that `__proto__` is a name like any other. */
export function plain(texts: ReadonlyMap<string, ReadonlyMap<string, string>>): object {
  const object = (entries: Iterable<[string, unknown]>) =>
    Object.assign(Object.create(null), { entries: [...entries].sort(([a], [b]) => (a < b ? -1 : 1)) });
  return object([...texts].map(([name, values]) => [name, object(values)]));
}
