/** The screen of `ph top` as lines, never more than it has rows. Pure. */

import { columns, type Row } from '../status/columns.ts';
import { failureLine, headline } from '../status/view.ts';
import { type Line, lineWidth, span } from '../terminal/line.ts';
import { type Column, table, tableWidth } from '../terminal/table.ts';
import { plainText } from '../terminal/text.ts';
import { formatBytes, formatRate, formatTime } from '../terminal/units.ts';
import type { Item, Model, Overlay } from './model.ts';
import { sparkline } from './sparkline.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const MARK = '▸ ';
/** The widths of a course that are tried, the figure beside it aside. */
const sparkWidths = [40, 30, 24, 18, 12, 8];
/** Where none of them fits, other columns have to go. */
const LEAST_SPARK = 8;
/** Throughput, latency and memory. */
const COURSES = 3;
const FIGURE_WIDTH = 6;
/** With fewer rows, only that part is shown that has the selection. */
const LEAST_ROWS = 8;
const LEAST_ROWS_OF_HEAD = 4;

export function topLines(model: Model, size: Size): Line[] {
  const head = size.rows < LEAST_ROWS_OF_HEAD ? [] : headOf(model);
  const height = Math.max(0, size.rows - head.length - 1);
  const body = model.overlay
    ? overlayLines(model.overlay, height)
    : bodyLines(model, { ...size, rows: height });
  // The last line stays at the bottom.
  const space: Line[] = Array(Math.max(0, height - body.length)).fill([]);
  return [...head, ...body, ...space, footOf(model, size.columns)].slice(0, size.rows);
}

function headOf({ statuses, gone }: Model): Line[] {
  const head = statuses.map(status => headline(status, statuses.length > 1));
  return gone === undefined ? head : [[span(plainText(gone), 'red', 'bold')], ...head];
}

/** What there is to say, or the keys, as many as fit. */
function footOf({ message, overlay, sort }: Model, width: number): Line {
  if (message) return [span(plainText(message.text), message.kind === 'error' ? 'red' : 'cyan')];
  const keys: readonly (readonly [string, string])[] = overlay
    ? [
        ['↑↓', 'scroll'],
        ['esc', 'back'],
      ]
    : [
        ['q', 'quit'],
        ['?', 'help'],
        ['↑↓', 'select'],
        ['←→', `sort: ${sort.column.title}${markOf(sort)}`],
        ['+-', 'scale'],
        ['r', 'reload'],
        ['s', 'stack'],
      ];
  const hints = keys.map(([key, what]) => [span(` ${key} `, 'inverse'), span(` ${what}  `)]);
  while (hints.length > 1 && lineWidth(hints.flat()) > width) hints.pop();
  return hints.flat();
}

function markOf({ isReversed }: Model['sort']): string {
  return isReversed ? '▲' : '▼';
}

function overlayLines({ title, lines, offset }: Overlay, height: number): Line[] {
  return [[], [span(plainText(title), 'bold')], [], ...lines.slice(offset)].slice(0, height);
}

/** The sections above, the workers beneath; each part scrolls where it does not fit. */
function bodyLines(model: Model, { columns: width, rows }: Size): Line[] {
  const { sections, workers, selected } = model;
  const upper = partLines(sections, sectionColumns(model, width - MARK.length), selected, width);
  const lower = partLines(workers, workerColumns(model), selected, width);
  if (rows < LEAST_ROWS) return windowOf(selected?.worker ? lower : upper, rows);
  const left = rows - 2;
  const [upperAll, lowerAll] = [upper.lines.length + 1, lower.lines.length + 1];
  const upperRows = Math.min(upperAll, Math.max(Math.ceil(left / 2), left - lowerAll));
  return [[], ...windowOf(upper, upperRows), [], ...windowOf(lower, left - upperRows)];
}

interface Part {
  readonly header: Line;
  readonly lines: readonly Line[];
  /** Of the line that must be seen. */
  readonly focus: number;
}

function partLines(
  items: readonly Item[],
  shown: readonly Column<Item>[],
  selected: Item | undefined,
  width: number,
): Part {
  const [header = [], ...rows] = table(shown, items, width - MARK.length);
  const lines: Line[] = [];
  let focus = 0;
  for (const [index, row] of rows.entries()) {
    const item = items[index] as Item;
    const isSelected = item.key === selected?.key;
    if (isSelected) focus = lines.length;
    lines.push(isSelected ? selectedLine(row, width) : indented(row));
    const failure = item.worker ? undefined : failureLine(item.section);
    if (failure) lines.push(indented(failure));
  }
  return { header: indented(header), lines, focus };
}

/** The header goes last but for the line of the focus. */
function windowOf({ header, lines, focus }: Part, rows: number): Line[] {
  const height = Math.max(1, rows - 1);
  const first = Math.max(0, Math.min(focus - Math.floor(height / 2), lines.length - height));
  const shown = lines.slice(first, first + height);
  return (rows > 1 ? [header, ...shown] : shown).slice(0, rows);
}

function indented(line: Line): Line {
  return [span(' '.repeat(MARK.length)), ...line];
}

/** In one colour: several on an inverted line are hard to read. */
function selectedLine(line: Line, width: number): Line {
  const space = ' '.repeat(Math.max(0, width - MARK.length - lineWidth(line)));
  return [MARK, ...line.map(({ text }) => text), space].map(text => span(text, 'inverse'));
}

/** With the widest courses that leave room for all the rest. */
function sectionColumns(model: Model, width: number): readonly Column<Item>[] {
  const columnsWith = (sparkWidth: number): readonly Column<Item>[] => [
    ...instanceColumns(model),
    columns.name,
    columns.state,
    columns.ready,
    columns.generation,
    columns.threads,
    columns.queue,
    columns.failed,
    columns.cpu,
    courseColumn('TASKS/S', 94, sparkWidth, item => model.history.of(item.key).throughput, formatRate),
    courseColumn('P95', 93, sparkWidth, item => model.history.of(item.key).p95, formatTime),
    courseColumn('MEMORY', 92, sparkWidth, item => model.history.of(item.key).rss, formatBytes),
  ];
  const used = tableWidth(columnsWith(0), model.sections);
  const fits = (sparkWidth: number) => used + COURSES * sparkWidth <= width;
  return columnsWith(sparkWidths.find(fits) ?? LEAST_SPARK);
}

function courseColumn(
  title: string,
  rank: number,
  width: number,
  courseOf: (item: Item) => readonly number[],
  format: (value: number) => string,
): Column<Item> {
  return {
    title,
    align: 'right',
    rank,
    cell: item => {
      const course = courseOf(item);
      const figure = format(course.at(-1) ?? 0).padStart(FIGURE_WIDTH);
      return span(`${sparkline(course, width)} ${figure}`, 'cyan');
    },
  };
}

function workerColumns(model: Model): readonly Column<Item>[] {
  const { name, ready, ...others } = columns;
  const all: readonly Column<Item>[] = [
    ...instanceColumns(model),
    workerNameColumn,
    ...Object.values(others),
  ];
  const isSorted = ({ title }: Column<Item>) => title === model.sort.column.title;
  return all.map(each => (isSorted(each) ? { ...each, title: each.title + markOf(model.sort) } : each));
}

/** Only where there are several. */
function instanceColumns({ statuses }: Model): readonly Column<Item>[] {
  if (statuses.length < 2) return [];
  return [{ title: 'INSTANCE', align: 'right', rank: 97, cell: ({ instance }) => span(String(instance)) }];
}

const workerNameColumn: Column<Row> = {
  title: 'WORKER',
  rank: 100,
  min: 12,
  cell: ({ section, worker }) => span(`${plainText(section.name)}#${worker?.index}`, 'bold'),
};
