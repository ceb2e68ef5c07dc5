/** The values of one section → resolved texts → typed keys, with everything that is wrong. */

import type { Problem } from '../errors.ts';
import { InterpolationError, interpolate } from './interpolation.ts';
import { camelCase, findKey, KEYS } from './keys.ts';
import { ValueError } from './kinds/kind.ts';
import type { Origin, Value } from './layers.ts';
import { suggestKey } from './suggest.ts';
import type { SectionConfig, TypedKeys } from './types.ts';

/** A section whose references are resolved. */
export interface ResolvedSection {
  readonly name: string;
  /** The values by key, built-in defaults included. A key that cannot be resolved keeps its raw text. */
  readonly values: ReadonlyMap<string, Value>;
  /** The keys that cannot be resolved. */
  readonly failed: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

/** Where to put a problem of a key: its line, or the file as a whole for what nobody has written. */
export function problemAt(
  section: string,
  key: string,
  origin: Origin | undefined,
  code: string,
  message: string,
  file = '',
): Problem {
  const place = origin ?? { file };
  // What comes from outside the file holds for all sections.
  const inSection = origin === undefined || origin.line !== undefined;
  return { ...place, ...(inSection && { section }), key, code, message };
}

export function resolveSection(
  name: string,
  layered: ReadonlyMap<string, Value>,
  env: NodeJS.ProcessEnv,
): ResolvedSection {
  const values = new Map<string, Value>();
  const failed = new Set<string>();
  const problems: Problem[] = [];
  for (const [key, value] of layered) {
    values.set(key, value);
    if (value.literal) continue;
    try {
      const text = interpolate(value.text, other => layered.get(other), env);
      values.set(key, { ...value, text });
    } catch (error) {
      if (!(error instanceof InterpolationError)) throw error;
      failed.add(key);
      problems.push(problemAt(name, key, value.origin, error.code, error.message));
    }
  }
  return { name, values, failed, problems };
}

const hidden = '(hidden)';

/** The texts of what has been set, in the order of the file, without built-in defaults and what cannot be resolved. */
export function textsOf({ values, failed }: ResolvedSection): Map<string, string> {
  const set = [...values].filter(([key, { origin }]) => origin !== undefined && !failed.has(key));
  const lineOf = ({ origin }: Value) => origin?.line ?? Number.MAX_SAFE_INTEGER;
  set.sort(([, a], [, b]) => lineOf(a) - lineOf(b));
  return new Map(set.map(([key, { text }]) => [key, findKey(key)?.secret ? hidden : text]));
}

/** Keys that no table knows and that look like one that it does. */
export function misspeltKeys({ name, values }: ResolvedSection): Problem[] {
  return [...values].flatMap(([key, { origin }]) => {
    const meant = findKey(key) === undefined ? suggestKey(key) : undefined;
    if (meant === undefined) return [];
    return problemAt(
      name,
      key,
      origin,
      'PH_ERR_CONFIG_UNKNOWN_KEY',
      `unknown key; did you mean \`${meant}\`?`,
    );
  });
}

/** A section whose values have their types, as far as they can have. */
export interface TypedSection {
  readonly resolved: ResolvedSection;
  /** Complete if there is no problem. */
  readonly config: Partial<SectionConfig>;
  /** The keys that have no usable value. */
  readonly failed: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

export function typeSection(resolved: ResolvedSection, cores: number): TypedSection {
  const { name, values } = resolved;
  const failed = new Set(resolved.failed);
  const problems: Problem[] = [];
  const typed: Record<string, unknown> = {};
  for (const { name: key, kind, default: fallback } of KEYS) {
    const value = values.get(key);
    typed[camelCase(key)] = undefined;
    // An empty value unsets what has no default, so that a section can undo what [DEFAULT] says.
    if (value === undefined || failed.has(key) || (value.text === '' && fallback === undefined)) continue;
    try {
      typed[camelCase(key)] = kind.parse(value.text, value.directory);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      failed.add(key);
      problems.push(problemAt(name, key, value.origin, 'PH_ERR_CONFIG_VALUE', error.message));
    }
  }
  const config = resolveAutomatic(name, typed as Partial<TypedKeys>, cores);
  return { resolved, config: { ...config, name, settings: settingsOf(resolved) }, failed, problems };
}

function resolveAutomatic(section: string, typed: Partial<TypedKeys>, cores: number): Partial<SectionConfig> {
  const { task, procName = section, ...rest } = typed;
  const numberWorkers = typed.numberWorkers === 'auto' ? cores : (typed.numberWorkers ?? 1);
  const share = Math.max(1, typed.minThreads ?? 0, Math.floor(cores / numberWorkers));
  const threads = typed.threads === 'auto' ? share : (typed.threads ?? 0);
  return { ...rest, ...(task !== undefined && { task }), procName, numberWorkers, threads };
}

function settingsOf({ values, failed }: ResolvedSection): Readonly<Record<string, string>> {
  const settings: Record<string, string> = Object.create(null);
  for (const [key, { text }] of values) {
    if (findKey(key) === undefined && !failed.has(key)) settings[key] = text;
  }
  return Object.freeze(settings);
}
