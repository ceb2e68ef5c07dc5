/** Resolved sections → ini text. */

import { parseValue } from './ini.ts';

/** Ini text that reads back as exactly these texts; percent signs are doubled. */
// `ini.stringify` escapes dots in section names and `#` in values in a way that this format does not know.
export function formatSections(texts: ReadonlyMap<string, ReadonlyMap<string, string>>): string {
  return [...texts]
    .map(([name, values]) => `[${name}]\n${[...values].map(formatAssignment).join('')}`)
    .join('\n');
}

function formatAssignment([key, text]: readonly [string, string]): string {
  const value = encodeValue(text.replaceAll('%', '%%'));
  return value === '' ? `${key} =\n` : `${key} = ${value}\n`;
}

function encodeValue(text: string): string {
  if (/[\r\n]/.test(text)) return JSON.stringify(text);
  const parsed = parseValue(` ${text}`);
  return 'text' in parsed && parsed.text === text ? text : JSON.stringify(text);
}
