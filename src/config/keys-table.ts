/** The documentation of the keys. */

import { KEYS, type KeyDefinition } from './keys.ts';

/** A Markdown table of all keys, without a final line end. */
export function keysTable(): string {
  return ['| key | default | meaning |', '|---|---|---|', ...KEYS.map(row)].join('\n');
}

function row({ name, kind, default: text, defaultDoc, doc }: KeyDefinition): string {
  const standard = defaultDoc ?? (text === undefined ? '–' : `\`${text}\``);
  return `| \`${name}\` | ${standard} | ${doc} (${kind.label}) |`;
}
