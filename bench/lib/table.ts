/** Figures of a bench, as Markdown and as JSON. */

export interface Figure {
  readonly what: string;
  readonly value: string;
  /** What it is compared with, measured in the same run. */
  readonly reference: string;
  readonly ratio: number;
  /** The ratio that is good enough; absent where the figure is for information. */
  readonly goal?: Goal;
}

export type Goal = { readonly atMost: number } | { readonly atLeast: number };

export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, reference, ratio, goal }) => [
    what,
    value,
    reference,
    ratio.toFixed(2),
    goal ? formatGoal(ratio, goal) : '',
  ]);
  return formatTable(['figure', 'measured', 'against', 'ratio', 'goal'], rows);
}

export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map(row => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function isMet(ratio: number, goal: Goal): boolean {
  return 'atMost' in goal ? ratio <= goal.atMost : ratio >= goal.atLeast;
}

function formatGoal(ratio: number, goal: Goal): string {
  const limit = 'atMost' in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
  return `${limit} ${isMet(ratio, goal) ? 'met' : 'missed'}`;
}
