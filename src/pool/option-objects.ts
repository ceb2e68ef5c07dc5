/** Options whose values are objects: what is wrong with them. */

import { serialize } from 'node:v8';
import { type ResourceLimits, SHARE_ENV } from 'node:worker_threads';
import { suggest } from '../config/suggest.ts';
import { shown } from './shown.ts';

const LIMITS = {
  maxOldGenerationSizeMb: true,
  maxYoungGenerationSizeMb: true,
  codeRangeSizeMb: true,
  stackSizeMb: true,
} as const satisfies { readonly [Name in keyof ResourceLimits]-?: true };

/** The messages never show the value of a variable: it may be a secret. */
export function environmentProblems(env: unknown): string[] {
  if (env === SHARE_ENV) {
    return [
      'processes cannot share an environment as threads do (SHARE_ENV): leave env out, and they begin with a copy',
    ];
  }
  if (!isObject(env)) return [`expected an object of texts, not ${shown(env)}`];
  return Object.entries(env).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (name === '' || /[=\0]/.test(name)) return [`no environment can hold the name ${shown(name)}`];
    if (typeof value !== 'string') return [`${name} is no text`];
    return value.includes('\0') ? [`${name} holds a NUL character, which no environment can`] : [];
  });
}

export function workerDataProblems(value: unknown): string[] {
  try {
    serialize(value);
    return [];
  } catch (error) {
    return [`cannot be cloned: ${error instanceof Error ? error.message : shown(error)}`];
  }
}

export function resourceLimitsProblems(limits: unknown): string[] {
  if (!isObject(limits)) return [`expected an object of numbers, not ${shown(limits)}`];
  return Object.entries(limits).flatMap(([name, value]) => {
    if (!Object.hasOwn(LIMITS, name))
      return [`${name}: ${unknownName('limit', suggest(name, Object.keys(LIMITS)))}`];
    const isUsable =
      value === undefined || (typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY);
    return isUsable ? [] : [`${name}: expected a number above 0, not ${shown(value)}`];
  });
}

/** The message for a name that nothing has. */
export function unknownName(what: string, meant: string | undefined): string {
  return `unknown ${what}${meant === undefined ? '' : `; did you mean \`${meant}\`?`}`;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
