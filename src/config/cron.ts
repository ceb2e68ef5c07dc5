/** What cron expressions mean. */

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The first time after `after`; undefined where there is none. Throws where `pattern` is no cron expression. */
export function nextTime(pattern: string, timezone: string | undefined, after: Date): Date | undefined {
  // Loaded only where there is a schedule.
  const { Cron } = require('croner') as typeof import('croner');
  const cron = new Cron(pattern, { paused: true, ...(timezone !== undefined && { timezone }) });
  return cron.nextRun(after) ?? undefined;
}
