/** "Did you mean …?" for names. */

import { distance } from 'fastest-levenshtein';
import { KEYS } from './keys.ts';

const MAX_DISTANCE = 2;
/** A name this short resembles too many others: `users` is no misspelt `user`. */
const SHORT = 4;

const KEY_NAMES = KEYS.map(({ name }) => name);

/** The known key that an unknown one resembles, if any. */
export function suggestKey(unknown: string): string | undefined {
  return suggest(unknown, KEY_NAMES);
}

/** The one of `names` that an unknown name resembles, if any. */
export function suggest(unknown: string, names: readonly string[]): string | undefined {
  const letters = lettersOf(unknown);
  // Other separators, or two letters that have changed places: `gracefulTimeout`, `tsak`.
  const same = names.find(name => lettersOf(name) === letters || sorted(name) === sorted(unknown));
  if (same !== undefined) return same;
  let best: string | undefined;
  let bestDistance = MAX_DISTANCE + 1;
  for (const name of names) {
    const shorter = Math.min(name.length, unknown.length);
    const away =
      shorter <= SHORT ? Number.POSITIVE_INFINITY : distance(name.toLowerCase(), unknown.toLowerCase());
    if (away < bestDistance && away <= shorter / 3) {
      best = name;
      bestDistance = away;
    }
  }
  return best;
}

function sorted(name: string): string {
  return [...lettersOf(name)].sort().join('');
}

function lettersOf(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}
