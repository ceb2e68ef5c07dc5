/** What the queue bench runs: a job is `{ turns, runs }`, where `runs` is a file that notes who has run. */

import { appendFileSync } from 'node:fs';
import { spin } from './tasks.mjs';

export default function (job) {
  if (job.runs) appendFileSync(job.runs, `${job.id}\n`);
  return job.turns ? spin({ turns: job.turns }) : job.n;
}
