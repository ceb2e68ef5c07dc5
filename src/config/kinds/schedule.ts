/** When something is to run. */

import { nextTime } from '../cron.ts';
import { type Kind, unexpected, ValueError } from './kind.ts';

export const cron: Kind<string> = {
  label: 'cron expression',
  parse(written) {
    const fields = written.split(/\s+/).length;
    if (fields !== 5 && fields !== 6) throw unexpected('a cron expression of 5 or 6 fields', written);
    let next: Date | undefined;
    try {
      next = nextTime(written, undefined, new Date());
    } catch (error) {
      const reason = (error as Error).message.replace(/^CronPattern: /, '');
      throw new ValueError(`expected a cron expression, not ${JSON.stringify(written)}: ${reason}`);
    }
    if (!next) throw new ValueError(`${JSON.stringify(written)} never comes`);
    return written;
  },
};

export const timezone: Kind<string> = {
  label: 'time zone',
  parse(written) {
    try {
      new Intl.DateTimeFormat('en', { timeZone: written });
    } catch {
      throw unexpected('a time zone such as Europe/Zurich or UTC', written);
    }
    return written;
  },
};
