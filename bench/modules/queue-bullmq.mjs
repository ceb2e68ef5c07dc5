/** A plain BullMQ worker: as its argument says, with an inline processor or in BullMQ's own sandboxes. */

import { fileURLToPath } from 'node:url';
import { Worker } from 'bullmq';
import run from './queue.mjs';

const { url, name, kind, concurrency, lockDuration } = JSON.parse(process.argv[2]);
const file = fileURLToPath(new URL('./queue-processor.mjs', import.meta.url));
const worker = new Worker(name, kind === 'inline' ? async job => run(job.data) : file, {
  connection: { url, maxRetriesPerRequest: null },
  concurrency,
  lockDuration,
  stalledInterval: lockDuration,
  useWorkerThreads: kind === 'threads',
});
worker.on('error', () => {});
await worker.waitUntilReady();
process.on('SIGTERM', () => process.exit());
