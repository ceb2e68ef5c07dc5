/** The packages that queues need, and that only those install who have some. */

import { createRequire } from 'node:module';
import type { SectionConfig } from '../config/types.ts';
import { QueuePackagesError } from '../errors.ts';

export type Bullmq = typeof import('bullmq');

/** The major version whose interfaces are used here. */
const bullmqMajor = 6;

/** Throws a `QueuePackagesError` where BullMQ, or the driver of the section's server, is not installed. */
export function loadBullmq({ name, task, queueUrl = '' }: SectionConfig): Bullmq {
  const driver = isPostgres(queueUrl) ? 'pg' : 'ioredis';
  // The project's own come first: `ph` may be installed elsewhere.
  const places = [task, import.meta.url].map(place => createRequire(place));
  const from = places.find(require => has(require, 'bullmq'));
  const hasDriver = from && has(createRequire(from.resolve('bullmq')), driver);
  if (!from || !hasDriver) {
    const missing = [...(from ? [] : ['bullmq']), ...(hasDriver ? [] : [driver])];
    throw new QueuePackagesError(name, `${missing.join(' and ')} missing`, `bullmq@${bullmqMajor} ${driver}`);
  }
  const { version } = from('bullmq/package.json') as { version: string };
  if (Number.parseInt(version, 10) !== bullmqMajor) {
    throw new QueuePackagesError(
      name,
      `bullmq ${version} is of another major version`,
      `bullmq@${bullmqMajor}`,
    );
  }
  return from('bullmq') as Bullmq;
}

export function isPostgres(url: string): boolean {
  return url.startsWith('postgres');
}

function has(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}
