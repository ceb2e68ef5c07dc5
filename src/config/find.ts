/** Where `ph.ini` is. */

import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const FILE_NAME = 'ph.ini';

/** Absolute path of the nearest `ph.ini` in `directory` or above it; undefined: there is none. */
export function findConfiguration(directory: string): string | undefined {
  for (let current = resolve(directory); ; current = dirname(current)) {
    const file = join(current, FILE_NAME);
    // `existsSync` first: it does not throw where a directory must not be searched.
    if (existsSync(file) && statSync(file).isFile()) return file;
    if (current === dirname(current)) return undefined;
  }
}
