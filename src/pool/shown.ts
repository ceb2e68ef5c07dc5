/** Values of a caller, in messages. */

import { inspect } from 'node:util';

/** As it would be written in JavaScript, shortened. Runs no code of the value. */
export function shown(value: unknown): string {
  if (value instanceof URL) return value.href;
  return inspect(value, {
    depth: 0,
    breakLength: Number.POSITIVE_INFINITY,
    maxStringLength: 80,
    customInspect: false,
  });
}
