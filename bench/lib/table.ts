/** Figures of a bench, as Markdown and as JSON. */

export interface Figure {
  readonly what: string;
  readonly value: string;
  /** What it is compared with, measured in the same run. */
  readonly reference: string;
  readonly ratio: number;
  /** The largest ratio that is good enough; absent where the figure is for information. */
  readonly goal?: number;
}

export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, reference, ratio, goal }) => [
    what,
    value,
    reference,
    ratio.toFixed(2),
    goal === undefined ? '' : `≤ ${goal} ${ratio <= goal ? 'met' : 'missed'}`,
  ]);
  const header = ['figure', 'measured', 'against', 'ratio', 'goal'];
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map(row => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
