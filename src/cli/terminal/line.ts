/** Lines of text in styles, which become escape sequences only at the very end: widths are those of the text alone. */

import { inspect } from 'node:util';
import { cutText, textWidth } from './text.ts';

export type Style = 'bold' | 'dim' | 'inverse' | 'red' | 'green' | 'yellow' | 'cyan';

export interface Span {
  readonly text: string;
  readonly styles?: readonly Style[];
}

export type Line = readonly Span[];

export interface Look {
  /** Columns; nothing is cut where it is infinite. */
  readonly width: number;
  readonly colour: boolean;
}

export function span(text: string, ...styles: readonly Style[]): Span {
  return { text, styles };
}

export function lineWidth(line: Line): number {
  return line.reduce((width, { text }) => width + textWidth(text), 0);
}

/** Not wider than the look's width. */
export function renderLine(line: Line, { width, colour }: Look): string {
  let left = width;
  let result = '';
  for (const { text, styles = [] } of withoutEmptyEnd(line)) {
    const shown = cutText(text, left);
    result += colour && shown !== '' ? withStyles(shown, styles) : shown;
    if (shown !== text) break;
    left -= textWidth(text);
  }
  return result;
}

/** Spaces at the end serve nobody, unless they have a style. */
function withoutEmptyEnd(line: Line): Line {
  const last = line.findLastIndex(({ text, styles = [] }) => text.trim() !== '' || styles.length > 0);
  return line.slice(0, last + 1);
}

function withStyles(text: string, styles: readonly Style[]): string {
  return styles.reduce((inner, style) => {
    const [open, close] = inspect.colors[style] ?? [];
    return `\x1b[${open}m${inner}\x1b[${close}m`;
  }, text);
}
