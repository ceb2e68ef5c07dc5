/** Built-in defaults, [DEFAULT], section, environment and command line, laid one over another. */

import { dirname } from 'node:path';
import { DEFAULT_SECTION, type ParsedIni } from './ini.ts';
import type { Referable } from './interpolation.ts';
import { findKey, KEYS } from './keys.ts';

/** Where a value was written, in the words of a `Problem`. */
export interface Origin {
  readonly file: string;
  /** Present for values of the file alone. */
  readonly line?: number;
}

/** A value before interpolation. */
export interface Value extends Referable {
  /** undefined: a built-in default. */
  readonly origin: Origin | undefined;
  /** A relative path counts from here. */
  readonly directory: string;
}

export interface LayerOptions {
  readonly file?: string | undefined;
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly overrides?: ReadonlyMap<string, string> | undefined;
  readonly task?: string | undefined;
}

/** Returns a function that gives the values of a section by key; the strongest layer wins. */
export function layers(
  { sections }: ParsedIni,
  options: LayerOptions,
): (section: string) => Map<string, Value> {
  const { file, directory } = options;
  const fileDirectory = file === undefined ? directory : dirname(file);
  const builtIn = builtInLayer(fileDirectory);
  const fromFile = (section: string): [string, Value][] =>
    [...(sections.get(section)?.values() ?? [])].map(({ key, raw, line }) => [
      key,
      { text: raw, literal: false, origin: { file: file ?? '', line }, directory: fileDirectory },
    ]);
  const outside = [...environmentLayer(options.env, directory), ...overrideLayer(options)];
  return section =>
    new Map([
      ...builtIn,
      ['proc_name', { text: section, literal: true, origin: undefined, directory: fileDirectory }],
      ...fromFile(DEFAULT_SECTION),
      ...fromFile(section),
      ...outside,
    ]);
}

/** The defaults of the table of keys; relative paths count from `directory`. */
export function builtInLayer(directory: string): [string, Value][] {
  return KEYS.flatMap(({ name, default: text }) =>
    text === undefined ? [] : [[name, { text, literal: true, origin: undefined, directory }]],
  );
}

function environmentLayer(env: NodeJS.ProcessEnv, directory: string): [string, Value][] {
  return KEYS.flatMap(({ name }) => {
    const variable = `PH_${name.toUpperCase()}`;
    const text = env[variable];
    // An empty variable is how a shell says "not set".
    if (text === undefined || text === '') return [];
    return [[name, literal(name, text, `environment variable ${variable}`, directory)]];
  });
}

function overrideLayer({ overrides = new Map(), task, directory }: LayerOptions): [string, Value][] {
  const given = [...overrides, ...(task === undefined ? [] : [['task', task] as const])];
  return given.map(([written, text]) => {
    const key = written.trim().toLowerCase();
    return [key, literal(key, text, 'command line', directory)];
  });
}

function literal(key: string, text: string, file: string, directory: string): Value {
  const absolute = findKey(key)?.kind.absolute?.(text, directory) ?? text;
  return { text: absolute, literal: true, origin: { file }, directory };
}
