/** Text as a terminal shows it: how many columns it takes, and how it is cut. */

import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter();
const ELLIPSIS = '…';

/** On one line, and without what would move the cursor or turn the direction: names and messages may hold anything. */
export function plainText(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\p{Cc}+/gu, ' ')
    .replace(/[\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '');
}

export function textWidth(text: string): number {
  return isAscii(text) ? text.length : stringWidth(text);
}

/** Not wider than that; where something had to go, it ends in `…`. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width < 1) return '';
  let kept = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += textWidth(segment);
    if (used >= width) break;
    kept += segment;
  }
  return kept + ELLIPSIS;
}

function isAscii(text: string): boolean {
  return /^[ -~]*$/.test(text);
}
