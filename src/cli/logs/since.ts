/** `--since`: how long ago, or when. */

import { type Kind, ValueError } from '../../config/kinds/kind.ts';
import { duration } from '../../config/kinds/scalars.ts';

/** ms since 1970. */
export const moment: Kind<number> = {
  label: 'duration or date',
  parse(text, directory) {
    // A day alone would begin at midnight in Greenwich, and everything else counts in the time of this machine.
    const written = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text;
    const date = /^\d{4}-/.test(text) ? Date.parse(written) : Number.NaN;
    if (!Number.isNaN(date)) return date;
    try {
      return Date.now() - duration().parse(text, directory);
    } catch {
      const example = `a duration such as 90s, 10m or 2h, or a date such as 2026-01-31T12:00`;
      throw new ValueError(`expected ${example}, not ${JSON.stringify(text)}`);
    }
  },
};
