/** The documentation of the options of `createPool()`. */

import type { OptionDefinition } from './define-option.ts';
import { OPTIONS, optionOfKey } from './option-definitions.ts';

/** A Markdown table of all options, without a final line end. */
export function optionsTable(): string {
  const head = ['| option | default | in `ph.ini` | meaning |', '|---|---|---|---|'];
  return [...head, ...Object.entries(OPTIONS).map(row)].join('\n');
}

function row([name, { key, accepts, default: standard, doc, piscina }]: [string, OptionDefinition]): string {
  const meaning = doc.replace(/[a-z]+(?:_[a-z]+)+/g, word => optionOfKey(word) ?? word);
  const origin = piscina ? ' As in Piscina.' : '';
  return `| \`${name}\` | ${standard} | ${key === undefined ? '–' : `\`${key}\``} | ${meaning}${origin} (${accepts}) |`;
}
