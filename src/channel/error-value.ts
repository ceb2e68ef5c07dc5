/** Errors on their way between threads and processes: structured clone alone loses class names and own properties. */

/** A cloneable picture of an error. */
export interface ErrorValue {
  readonly name: string;
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

const nativeClasses = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const longestCauseChain = 20;

export function encodeThrown(thrown: unknown, depth = 0): Thrown {
  if (!(thrown instanceof Error) || depth > longestCauseChain) return { value: cloneable(thrown) };
  const properties: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(thrown)) {
    if (key !== 'cause' && key !== 'errors') properties[key] = cloneable(value);
  }
  return {
    error: {
      name: thrown.name,
      message: thrown.message,
      stack: thrown.stack,
      properties,
      ...('cause' in thrown && { cause: encodeThrown(thrown.cause, depth + 1) }),
      ...(thrown instanceof AggregateError && {
        errors: thrown.errors.map(error => encodeThrown(error, depth + 1)),
      }),
    },
  };
}

export function decodeThrown(thrown: Thrown): unknown {
  if (!('error' in thrown)) return thrown.value;
  const { name, message, stack, properties, cause, errors } = thrown.error;
  const options = cause && { cause: decodeThrown(cause) };
  const Native = nativeClasses[name as keyof typeof nativeClasses] ?? Error;
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

function localFrames(stack = ''): string[] {
  return stack.split('\n').filter(line => /^\s+at async /.test(line) && !line.includes('node:internal/'));
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false });
}

function cloneable(value: unknown): unknown {
  try {
    structuredClone(value);
    return value;
  } catch {
    return String(value);
  }
}
