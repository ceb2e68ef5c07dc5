/** `ph queue` */

import type { Job } from 'bullmq';
import { ExitCode } from '../../errors.ts';
import { shownUrl, withQueue } from '../../queue/client.ts';
import { schedulerId } from '../../queue/schedule.ts';
import type { AnyQueue } from '../../queue/server.ts';
import { sectionConfig } from '../section-config.ts';

export interface QueueFlags {
  readonly config?: string;
  readonly json?: boolean;
  readonly retryFailed?: boolean;
}

/** The document of `ph queue --json`. */
interface QueueReport {
  readonly queue: string;
  readonly server: string;
  readonly isPaused: boolean;
  readonly counts: Readonly<Record<(typeof states)[number], number>>;
  readonly oldestWaiting: JobReport | null;
  /** The latest, 20 at the most. */
  readonly failed: readonly (JobReport & { readonly attempts: number; readonly reason: string })[];
  /** Names of the worker processes that consume it. */
  readonly workers: readonly string[];
  readonly schedule: { readonly pattern: string; readonly timezone: string; readonly next: string } | null;
  /** With `--retry-failed`: jobs that run again. */
  readonly retried?: number;
}

interface JobReport {
  readonly id: string;
  readonly name: string;
  /** Since it was added, or failed; s. */
  readonly age: number;
}

const states = [
  'waiting',
  'prioritized',
  'delayed',
  'active',
  'waiting-children',
  'completed',
  'failed',
] as const;
const failedShown = 20;

export async function queue(section: string, flags: QueueFlags): Promise<ExitCode> {
  const config = sectionConfig(section, flags.config);
  await withQueue(config, async queue => {
    const retried = flags.retryFailed ? await retryFailed(queue) : undefined;
    const report = await look(queue, section, shownUrl(config.queueUrl ?? ''));
    const all = retried === undefined ? report : { ...report, retried };
    process.stdout.write(flags.json ? `${JSON.stringify(all, null, 2)}\n` : format(all));
  });
  return ExitCode.done;
}

async function retryFailed(queue: AnyQueue): Promise<number> {
  const count = await queue.getFailedCount();
  await queue.retryJobs({ state: 'failed' });
  return count;
}

async function look(queue: AnyQueue, section: string, server: string): Promise<QueueReport> {
  const [isPaused, counts, waiting, prioritized, failed, workers, scheduler] = await Promise.all([
    queue.isPaused(),
    queue.getJobCounts(...states),
    queue.getJobs(['waiting'], 0, 0, true),
    queue.getJobs(['prioritized'], 0, 0, true),
    queue.getJobs(['failed'], 0, failedShown - 1, false),
    queue.getWorkers(),
    queue.getJobScheduler(schedulerId(section)),
  ]);
  const [oldest] = [...waiting, ...prioritized].sort((a, b) => a.timestamp - b.timestamp);
  return {
    queue: queue.name,
    server,
    isPaused,
    counts: counts as QueueReport['counts'],
    oldestWaiting: oldest ? jobReport(oldest, oldest.timestamp) : null,
    failed: failed.map(job => ({
      ...jobReport(job, job.finishedOn ?? job.timestamp),
      attempts: job.attemptsMade,
      reason: job.failedReason,
    })),
    workers: workers.map(({ rawname = '' }) => rawname.slice(rawname.indexOf(':w:') + 3)),
    schedule: scheduler?.pattern
      ? {
          pattern: scheduler.pattern,
          timezone: scheduler.tz ?? '',
          next: new Date(scheduler.next ?? 0).toISOString(),
        }
      : null,
  };
}

function jobReport({ id, name }: Pick<Job, 'id' | 'name'>, since: number): JobReport {
  return { id: id as string, name, age: Math.max(0, Math.round((Date.now() - since) / 1000)) };
}

function format(report: QueueReport): string {
  const { queue, server, isPaused, counts, oldestWaiting, failed, workers, schedule, retried } = report;
  const lines = [`queue ${queue} on ${server}${isPaused ? ', paused' : ''}`];
  if (retried !== undefined) lines.push(`retried: ${retried}`);
  for (const state of states) {
    const oldest =
      state === 'waiting' && oldestWaiting
        ? `   oldest: job ${oldestWaiting.id}, ${duration(oldestWaiting.age)}`
        : '';
    lines.push(`  ${state.padEnd(16)} ${String(counts[state] ?? 0).padStart(8)}${oldest}`);
  }
  lines.push(`workers: ${workers.length > 0 ? workers.join(', ') : 'none'}`);
  if (schedule) lines.push(`schedule: ${schedule.pattern} (${schedule.timezone}), next ${schedule.next}`);
  if (failed.length > 0) lines.push('latest failed jobs:');
  for (const { id, name, age, attempts, reason } of failed) {
    lines.push(`  ${id}  ${name}, ${duration(age)} ago, attempts: ${attempts}: ${reason.split('\n', 1)[0]}`);
  }
  return `${lines.join('\n')}\n`;
}

/** `3 h 12 min` */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
