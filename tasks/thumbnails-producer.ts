/**
 * A plain BullMQ producer for `tasks/thumbnails.ts`: a job for each image of a directory, then their results.
 *
 *     node --import tsx tasks/thumbnails-producer.ts redis://127.0.0.1:6379 photos thumbs
 */

import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue } from 'bullmq';
import type { Thumbnail, ThumbnailJob } from './thumbnails.ts';

const [url = '', photos = '.', thumbs = 'thumbs'] = process.argv.slice(2);
const queue = new Queue<ThumbnailJob, Thumbnail[]>('thumbnails', { connection: { url } });
const images = (await readdir(photos)).filter(name => /\.(jpe?g|png|webp|avif|gif|svg|tiff?)$/i.test(name));
const jobs = await queue.addBulk(
  images.map(name => ({
    name: 'default',
    data: { source: resolve(photos, name), directory: resolve(thumbs) },
    // The same image is one job, however often it is asked for meanwhile.
    opts: {
      jobId: `thumbnail-${name}`,
      attempts: 3,
      removeOnComplete: { age: 3600 },
      removeOnFail: { age: 86_400 },
    },
  })),
);
// From the state of each job: events may be missed.
for (const { id } of jobs) {
  for (;;) {
    const state = await queue.getJobState(id as string);
    if (state === 'completed' || state === 'failed' || state === 'unknown') {
      // Read only now: the job has its result by then.
      const job = await queue.getJob(id as string);
      const files = job?.returnvalue?.map(({ file }) => file).join(', ');
      process.stdout.write(
        `${join(photos, `${id}`.replace('thumbnail-', ''))}: ${files ?? job?.failedReason}\n`,
      );
      break;
    }
    await delay(50);
  }
}
await queue.close();
