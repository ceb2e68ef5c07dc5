/** The lines of `ph map`'s output. */

import { inspect } from 'node:util';
import { ResultError } from '../../errors.ts';

/** @param input as JSON */
export function resultRecord(input: string, result: unknown): string {
  return `{"input":${input},"result":${resultText(result)}}\n`;
}

/** @param input as JSON */
export function errorRecord(input: string, error: unknown): string {
  return `{"input":${input},"error":${JSON.stringify(describe(error))}}\n`;
}

/** @throws {ResultError} for what JSON does not have, or would write as something else. */
function resultText(result: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(result);
  } catch (error) {
    throw new ResultError(firstLine((error as Error).message), error);
  }
  // Only now: of a value that is cyclic, or deeper than the stack, there would be no end.
  const place = typeof result === 'object' && result !== null ? unlikeJson(result, '') : undefined;
  if (place !== undefined) throw new ResultError(place);
  // `undefined` and functions are what a task returns that returns nothing.
  return text ?? 'null';
}

/** What JSON would turn into `{}` or a list of bytes without a word; undefined: nothing is. */
function unlikeJson(value: object, path: string): string | undefined {
  if (Array.isArray(value)) return firstOf(value.entries(), path);
  const type = Object.prototype.toString.call(value).slice(8, -1);
  if (type === 'Object') return firstOf(Object.entries(value), path);
  // A date has its ISO form; the objects of primitive values are those.
  if (['Date', 'String', 'Number', 'Boolean'].includes(type)) return undefined;
  const kind = Buffer.isBuffer(value) ? 'Buffer' : type;
  return `${path === '' ? 'it' : path.slice(1)} is ${/^[AEIO]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

function firstOf(entries: Iterable<[string | number, unknown]>, path: string): string | undefined {
  for (const [key, value] of entries) {
    if (typeof value !== 'object' || value === null) continue;
    const place = unlikeJson(value, `${path}.${key}`);
    if (place !== undefined) return place;
  }
  return undefined;
}

interface Description {
  readonly name: string;
  readonly message: string;
  readonly code?: string | number;
}

/** Of anything that can be thrown; without `code` where it has none. */
function describe(thrown: unknown): Description {
  if (!(thrown instanceof Error)) {
    return { name: 'Error', message: typeof thrown === 'string' ? thrown : inspect(thrown) };
  }
  const { name, message, code } = thrown as Error & { code?: unknown };
  const isShown = typeof code === 'string' || typeof code === 'number';
  return { name: String(name), message: String(message), ...(isShown && { code }) };
}

// V8 draws a picture of a cycle below it.
function firstLine(text: string): string {
  return text.split('\n', 1)[0] as string;
}
