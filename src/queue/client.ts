/** A producer's view of a section's queue, for `ph enqueue` and `ph queue`. */

import type { SectionConfig } from '../config/types.ts';
import { NoQueueError, QueueServerError } from '../errors.ts';
import { type AnyQueue, hasQueue, openQueue, queueServer } from './server.ts';
import { isServerTrouble, reasonOf } from './trouble.ts';

/**
 * Lets `use` have the queue, and closes it. Rejects with a `NoQueueError`, a `QueuePackagesError`, and with a
 * `QueueServerError` where the server is not there or refuses.
 */
export async function withQueue<Result>(
  config: SectionConfig,
  use: (queue: AnyQueue) => Promise<Result>,
): Promise<Result> {
  if (!hasQueue(config)) throw new NoQueueError(config.name);
  const queue = openQueue(queueServer(config, 'impatient'), config.queue);
  // What is said first says most: later it is only that there is no connection.
  let first: unknown;
  queue.on('error', error => {
    first ??= error;
  });
  try {
    await queue.waitUntilReady();
    return await use(queue);
  } catch (error) {
    if (!isServerTrouble(error)) throw error;
    throw new QueueServerError(config.queue, shownUrl(config.queueUrl), reasonOf(first ?? error));
  } finally {
    await queue.close().catch(() => {});
  }
}

/** Without what is secret in it. */
export function shownUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
