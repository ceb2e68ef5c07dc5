/** Errors on their way between threads and processes: structured clone alone loses class names and own properties. */

import { inspect } from 'node:util';
import { serialize } from './clone.ts';

/** A cloneable picture of an error. */
export interface ErrorValue {
  readonly name: string;
  /** The built-in class that it is an instance of. */
  readonly native: NativeName;
  readonly message: string;
  readonly stack: string | undefined;
  readonly properties: Readonly<Record<string, unknown>>;
  /** Present where the error has a `cause`, even an undefined one. */
  readonly cause?: Thrown;
  /** Present for an `AggregateError`. */
  readonly errors?: readonly Thrown[];
}

/** What a `throw` threw: an error, or any other value. */
export type Thrown = { readonly error: ErrorValue } | { readonly value: unknown };

const nativeClasses = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, Error };
type NativeName = keyof typeof nativeClasses;
const longestCauseChain = 20;

/** `parents` are the errors that `thrown` is a cause of: one of them cannot be its cause again. */
export function encodeThrown(thrown: unknown, parents: readonly Error[] = []): Thrown {
  if (!(thrown instanceof Error)) return { value: cloneable(() => thrown) };
  const name = classNameOf(thrown);
  if (parents.includes(thrown)) return { value: `[circular: ${name}: ${thrown.message}]` };
  if (parents.length > longestCauseChain) return { value: `[${name}: ${thrown.message}]` };
  const native = nativeNameOf(thrown);
  const chain = [...parents, thrown];
  const properties: Record<string, unknown> = {};
  for (const key of Object.keys(thrown)) {
    if (key !== 'cause' && key !== 'errors') properties[key] = cloneable(() => thrown[key as keyof Error]);
  }
  return {
    error: {
      name,
      native,
      message: String(thrown.message),
      stack: stackOf(thrown, native, name),
      properties,
      ...('cause' in thrown && { cause: encodeThrown(thrown.cause, chain) }),
      ...(thrown instanceof AggregateError && {
        errors: thrown.errors.map(error => encodeThrown(error, chain)),
      }),
    },
  };
}

export function decodeThrown(thrown: Thrown): unknown {
  if (!('error' in thrown)) return thrown.value;
  const { name, native, message, stack, properties, cause, errors } = thrown.error;
  const options = cause && { cause: decodeThrown(cause) };
  const Native = nativeClasses[native];
  const error = errors
    ? new AggregateError(errors.map(decodeThrown), message, options)
    : new Native(message, options);
  if (error.name !== name) define(error, 'name', name);
  Object.assign(error, properties);
  // The place where it happened first, then the place that asked for it.
  const here = localFrames(error.stack);
  define(error, 'stack', stack === undefined ? error.stack : [stack, ...here].join('\n'));
  return error;
}

/** For an error that was made elsewhere: shows the place that waits for it, from where this is called. */
export function addCallerFrames(error: Error): void {
  const { stack } = error;
  if (typeof stack !== 'string') return;
  const missing = localFrames(new Error().stack).filter(frame => !stack.includes(frame));
  if (missing.length > 0) define(error, 'stack', [stack, ...missing].join('\n'));
}

function stackOf(error: Error, native: NativeName, name: string): string | undefined {
  try {
    const { stack } = error;
    if (typeof stack !== 'string') return undefined;
    // V8 wrote the first line before the constructor could set a name.
    return stack.replace(new RegExp(`^${native}(?=[:\\n])`), () => name);
  } catch {
    // With source maps Node writes it when it is read, and fails over an odd name.
    return undefined;
  }
}

/** A class that gives its errors no name of their own has one itself. */
function classNameOf(error: Error): string {
  const { name } = error.constructor;
  return error.name in nativeClasses && name ? name : String(error.name);
}

function nativeNameOf(error: Error): NativeName {
  const names = Object.keys(nativeClasses) as NativeName[];
  return names.find(name => error instanceof nativeClasses[name]) ?? 'Error';
}

function localFrames(stack = ''): string[] {
  return stack.split('\n').filter(line => /^\s+at async /.test(line) && !line.includes('node:internal/'));
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false });
}

/** The value, or a text in place of one that cannot be sent, or not even be read. */
function cloneable(read: () => unknown): unknown {
  try {
    const value = read();
    if (Object(value) === value || typeof value === 'symbol') serialize(value);
    return value;
  } catch (error) {
    try {
      return inspect(read(), { customInspect: false });
    } catch {
      return `[unreadable: ${error}]`;
    }
  }
}
