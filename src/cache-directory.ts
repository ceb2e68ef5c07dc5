/** Where what is compiled once is kept for the next start. */

import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function cacheDirectory(): string {
  return join(tmpdir(), `processhandler-${process.getuid?.()}`);
}
