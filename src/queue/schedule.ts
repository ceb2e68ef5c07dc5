/** A section's `schedule` as a job scheduler of its queue: it fires once, however many machines consume. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from 'bullmq';
import { nextTime } from '../config/cron.ts';
import type { AnyWorker } from './consumer.ts';
import { kept } from './job-options.ts';
import type { AnyQueue, QueueConfig } from './server.ts';

/** The scheduler's key in the queue. */
export function schedulerId(section: string): string {
  return `ph-${section}`;
}

/** Where `schedule_timezone` is not set: that of this machine, so that all of them mean the same time. */
function timezoneOf({ scheduleTimezone }: QueueConfig): string {
  return scheduleTimezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** A schedule that is set while its time comes might fire twice: not within that many ms before it. */
const margin = 500;

/** Makes the queue have what the configuration says. */
export async function applySchedule(worker: AnyWorker, config: QueueConfig): Promise<void> {
  await awayFromNext(config);
  const schedulers = await worker.jobScheduler;
  const id = schedulerId(config.name);
  const there = await schedulers.getScheduler(id);
  if (config.schedule === undefined) {
    if (there) await schedulers.removeJobScheduler(id);
    return;
  }
  const pattern = config.schedule;
  const tz = timezoneOf(config);
  const isSame = there?.pattern === pattern && there.tz === tz;
  // Set anew, it would forget a run that is due.
  if (isSame && (await worker.getBackend().getJobData(`repeat:${id}:${there.next}`))) return;
  await schedulers.upsertJobScheduler(id, { pattern, tz }, 'default', {}, kept, { override: true });
}

/** Resolves when the schedule's next time is not near; another machine has set it by then, perhaps. */
async function awayFromNext(config: QueueConfig): Promise<void> {
  if (config.schedule === undefined) return;
  const now = Date.now();
  const next = nextTime(config.schedule, timezoneOf(config), new Date(now))?.getTime() ?? Infinity;
  if (next - now < margin) await delay(next - now + 1);
}

/** The configuration has no such schedule, or queue, any more. */
export async function removeSchedule(queue: AnyQueue, section: string): Promise<void> {
  await queue.removeJobScheduler(schedulerId(section));
}

/** Whether another run of the same scheduler is under way. */
export async function isOverlapping(worker: AnyWorker, job: Job, section: string): Promise<boolean> {
  const id = schedulerId(section);
  if (job.repeatJobKey !== id) return false;
  const [active = []] = await worker.getBackend().getRanges(['active']);
  return active.some(other => other !== job.id && other.startsWith(`repeat:${id}:`));
}
