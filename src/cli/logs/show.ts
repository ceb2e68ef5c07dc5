/** Lines of several logs, in the order of their times, on stdout. */

import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { LogReader } from './log-reader.ts';

/** How often logs are looked at that grow, ms. */
const POLL_INTERVAL = 200;
/** Characters that are written at once. */
const BATCH = 64 * 1024;

/**
 * Resolves when all that is there has been written; never with `follow`.
 *
 * @param format a line without its line feed → what is written
 */
export async function show(
  readers: readonly LogReader[],
  format: (line: string) => string,
  follow: boolean,
): Promise<void> {
  for (;;) {
    await write(merged(readers, format));
    if (!follow) break;
    await delay(POLL_INTERVAL);
  }
  for (const reader of readers) reader.end();
  await write(merged(readers, format));
}

function* merged(
  readers: readonly LogReader[],
  format: (line: string) => string,
): Generator<string, void, undefined> {
  for (;;) {
    let oldest: { readonly reader: LogReader; readonly time: number; readonly text: string } | undefined;
    for (const reader of readers) {
      const line = reader.peek();
      if (line && (!oldest || line.time < oldest.time)) oldest = { reader, time: line.time, text: line.text };
    }
    if (!oldest) return;
    oldest.reader.take();
    yield format(oldest.text);
  }
}

async function write(texts: Iterable<string>): Promise<void> {
  let batch = '';
  const flush = async () => {
    const isFull = !process.stdout.write(batch);
    batch = '';
    if (isFull) await once(process.stdout, 'drain');
  };
  for (const text of texts) {
    batch += text;
    if (batch.length >= BATCH) await flush();
  }
  if (batch !== '') await flush();
}
