/** A table that fits a width: its least important columns go first, and no line is ever wrapped. */

import { type Line, type Span, type Style, span } from './line.ts';
import { cutText, textWidth } from './text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'right';
  /** Where not all fit, the column with the lowest goes first. */
  readonly rank: number;
  /** It may be cut to that many columns before another one has to go. */
  readonly min?: number;
  cell(row: Row): Span | undefined;
}

const GAP = 2;

/** A column with the texts of all rows; the first is its title. */
interface Filled {
  readonly column: { readonly align?: 'right'; readonly rank: number; readonly min?: number };
  readonly cells: readonly Span[];
  readonly width: number;
}

/** The header, then a line for each row. A column without anything in it is left out. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): Line[] {
  const fitting = fit(fill(columns, rows), width);
  return [undefined, ...rows].map((_, index) =>
    fitting.flatMap((each, at) => cellSpans(each, index, at > 0)),
  );
}

/** How wide the table is where nothing has to go. */
export function tableWidth<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number {
  return totalWidth(fill(columns, rows));
}

function fill<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Filled[] {
  return columns.flatMap(column => {
    const texts = rows.map(row => column.cell(row) ?? span(''));
    if (texts.every(({ text }) => text === '')) return [];
    const cells = [span(column.title, 'dim'), ...texts];
    return [{ column, cells, width: Math.max(...cells.map(({ text }) => textWidth(text))) }];
  });
}

function fit(filled: readonly Filled[], width: number): Filled[] {
  const kept = [...filled];
  const least = ({ column, width: natural }: Filled) => Math.min(natural, column.min ?? natural);
  const narrow = () => kept.map(each => ({ ...each, width: least(each) }));
  while (kept.length > 1 && totalWidth(narrow()) > width) {
    const lowest = Math.min(...kept.map(({ column }) => column.rank));
    kept.splice(
      kept.findIndex(({ column }) => column.rank === lowest),
      1,
    );
  }
  return shrink(kept, width);
}

/** Takes what is too much from the columns that may be cut, from those of the lowest rank first. */
function shrink(kept: readonly Filled[], width: number): Filled[] {
  let excess = totalWidth(kept) - width;
  const widths = new Map(kept.map(each => [each, each.width]));
  for (const each of [...kept].sort((a, b) => a.column.rank - b.column.rank)) {
    const given = Math.max(0, Math.min(excess, each.width - (each.column.min ?? each.width)));
    widths.set(each, each.width - given);
    excess -= given;
  }
  return kept.map(each => ({ ...each, width: widths.get(each) ?? each.width }));
}

function totalWidth(filled: readonly Filled[]): number {
  return filled.reduce((sum, { width }) => sum + width + GAP, -GAP);
}

function cellSpans({ column, cells, width }: Filled, index: number, hasGap: boolean): Line {
  const { text, styles = [] } = cells[index] as Span;
  const shown = cutText(text, width);
  const space = ' '.repeat(width - textWidth(shown));
  const parts: readonly (readonly [string, readonly Style[]])[] = [
    [' '.repeat(hasGap ? GAP : 0), []],
    [column.align === 'right' ? space : '', []],
    [shown, styles],
    [column.align === 'right' ? '' : space, []],
  ];
  return parts.filter(([part]) => part !== '').map(([part, own]) => span(part, ...own));
}
