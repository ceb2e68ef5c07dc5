/** The same for BullMQ's own sandboxes. */

import run from './queue.mjs';

export default async job => run(job.data);
