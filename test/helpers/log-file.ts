/** Log files of `ph`, which give no event: they are polled. */

import { readFileSync } from 'node:fs';
import type { LogRecord } from './ph.ts';
import { until } from './processes.ts';

/** All records of a log file; throws where a line is not whole, or not JSON. */
export function readRecords(path: string): LogRecord[] {
  const text = readFileSync(path, 'utf8');
  if (text !== '' && !text.endsWith('\n')) throw new Error(`${path} ends in the middle of a line`);
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line));
}

/** Resolves when the file has a line of which this is true. */
export async function untilLogged(path: string, text: RegExp): Promise<void> {
  await until(`${path} has ${text}`, () => text.test(readIfThere(path)), 20_000);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
