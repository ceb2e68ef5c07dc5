/** `%(name)s` references, with the rules of CPython's `configparser.BasicInterpolation`. */

import { ExitCode, ProcessHandlerError } from '../errors.ts';

/** A value that may be referred to. */
export interface Referable {
  readonly text: string;
  /** True: inserted as it is, a `%` in it is text. */
  readonly literal: boolean;
}

/** Finds a value by its lower-cased key. */
export type Lookup = (key: string) => Referable | undefined;

/** A reference that cannot be resolved; the message names configparser's error class. */
export class InterpolationError extends ProcessHandlerError {
  constructor(code: `PH_ERR_CONFIG_INTERPOLATION_${'SYNTAX' | 'MISSING' | 'DEPTH'}`, message: string) {
    super(code, message, { exitCode: ExitCode.usage });
  }
}

const MAX_DEPTH = 10;
const ENVIRONMENT_PREFIX = 'ENV_';
const REFERENCE = /^%\(([^)]+)\)s/;

/**
 * Resolves the references in `text`. `%(ENV_NAME)s` inserts the environment variable NAME literally, where no key has
 * that name.
 *
 * @throws {InterpolationError} a bad `%`, an unknown name, or more than ten levels of references.
 */
export function interpolate(text: string, lookup: Lookup, env: NodeJS.ProcessEnv): string {
  const resolve = (value: string, depth: number): string => {
    if (depth > MAX_DEPTH) {
      throw new InterpolationError(
        'PH_ERR_CONFIG_INTERPOLATION_DEPTH',
        `InterpolationDepthError: more than ${MAX_DEPTH} levels of references; does a value refer to itself?`,
      );
    }
    let resolved = '';
    let rest = value;
    for (let percent = rest.indexOf('%'); percent !== -1; percent = rest.indexOf('%')) {
      resolved += rest.slice(0, percent);
      rest = rest.slice(percent);
      if (rest.startsWith('%%')) {
        resolved += '%';
        rest = rest.slice(2);
        continue;
      }
      const [reference, name] = REFERENCE.exec(rest) ?? [];
      if (reference === undefined || name === undefined) {
        throw new InterpolationError(
          'PH_ERR_CONFIG_INTERPOLATION_SYNTAX',
          `InterpolationSyntaxError: a reference is written %(name)s and a percent sign %%, not ${excerpt(rest)}`,
        );
      }
      rest = rest.slice(reference.length);
      const found = find(name, lookup, env);
      resolved += found.literal || !found.text.includes('%') ? found.text : resolve(found.text, depth + 1);
    }
    return resolved + rest;
  };
  return resolve(text, 1);
}

function find(name: string, lookup: Lookup, env: NodeJS.ProcessEnv): Referable {
  const found = lookup(name.toLowerCase());
  if (found !== undefined) return found;
  if (!name.startsWith(ENVIRONMENT_PREFIX)) {
    throw new InterpolationError(
      'PH_ERR_CONFIG_INTERPOLATION_MISSING',
      `InterpolationMissingOptionError: %(${name})s: there is no key "${name.toLowerCase()}" in this section or in [DEFAULT]`,
    );
  }
  const variable = name.slice(ENVIRONMENT_PREFIX.length);
  const text = Object.hasOwn(env, variable) ? env[variable] : undefined;
  if (text === undefined) {
    throw new InterpolationError(
      'PH_ERR_CONFIG_INTERPOLATION_MISSING',
      `InterpolationMissingOptionError: %(${name})s: the environment variable ${variable} is not set`,
    );
  }
  return { text, literal: true };
}

function excerpt(text: string): string {
  // Behind a lone percent sign there may be the rest of a password.
  const shown = text.startsWith('%(') ? 20 : 2;
  return text.length > shown ? `${text.slice(0, shown)}…` : text;
}
