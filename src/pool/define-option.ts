/** What an option of `createPool()` is made of: a key of `ph.ini`, a form of its values, and their documentation. */

import { findKey, type KeyName } from '../config/keys.ts';
import { type Kind, ValueError } from '../config/kinds/kind.ts';
import { integer } from '../config/kinds/scalars.ts';
import { count, type Form } from './option-forms.ts';
import { shown } from './shown.ts';

export interface OptionDefinition {
  /** The key of `ph.ini` that gives the option its kind and default; absent: `createPool()` alone has it. */
  readonly key?: KeyName;
  /** What is accepted, in Markdown. */
  readonly accepts: string;
  /** In Markdown. */
  readonly default: string;
  /** One sentence, in Markdown; it may name other options by their key. */
  readonly doc: string;
  /** Piscina has the option too, and means the same. */
  readonly piscina: boolean;
  /** What is wrong with a value. */
  problems(value: unknown): readonly string[];
  /** The text that the key has for a value without problems. */
  write?(value: unknown): string | undefined;
}

interface Details {
  /** Where the key's own sentence is not true of a pool. */
  readonly doc?: string;
  readonly default?: string;
  /** Where the key accepts more than a pool can use. */
  readonly kind?: Kind<unknown>;
  /** Values that the form does not know → the text that the key has for them. */
  readonly also?: ReadonlyMap<unknown, string>;
  readonly piscina?: boolean;
}

/** An option that is a key of `ph.ini`. */
export function ofKey(key: KeyName, form: Form, details: Details = {}): OptionDefinition {
  const definition = findKey(key);
  if (definition === undefined) throw new Error(`there is no key ${key}`);
  const { default: text, defaultDoc = '–' } = definition;
  const { kind = definition.kind, also = new Map(), doc = definition.doc, piscina = false } = details;
  const standard = text === undefined ? defaultDoc : `\`${shown(kind.parse(text, '/'))}\``;
  const accepts = [form.describe(kind.label), ...[...also.keys()].map(value => `\`${shown(value)}\``)].join(
    ', or ',
  );
  const write = (value: unknown) => also.get(value) ?? form.write(value);
  return {
    key,
    accepts,
    default: details.default ?? standard,
    doc,
    piscina,
    problems: value => problemsOf(kind, write(value), accepts, value),
    write,
  };
}

/** A number of at least 0, by default 0, that no key is for. */
export function ofCount(details: Pick<OptionDefinition, 'doc' | 'piscina'>): OptionDefinition {
  const kind = integer(0);
  const accepts = count.describe(kind.label);
  const problems = (value: unknown) => problemsOf(kind, count.write(value), accepts, value);
  return { ...details, accepts, default: '`0`', problems };
}

function problemsOf(
  kind: Kind<unknown>,
  text: string | undefined,
  accepts: string,
  value: unknown,
): string[] {
  return text !== undefined && isOfKind(kind, text)
    ? []
    : [`expected ${accepts.replaceAll('`', '')}, not ${shown(value)}`];
}

function isOfKind(kind: Kind<unknown>, text: string): boolean {
  try {
    kind.parse(text, '/');
    return true;
  } catch (error) {
    if (error instanceof ValueError) return false;
    throw error;
  }
}
