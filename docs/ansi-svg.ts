/** Turns what a terminal shows into a picture: the lines of `tmux capture-pane -e` into an SVG that suits light and dark. */

interface Style {
  readonly colour: string;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly inverse: boolean;
}

/** Neighbouring characters that look the same. */
interface Run {
  readonly text: string;
  readonly column: number;
  readonly style: Style;
}

/** Of one character, in pixels. */
const WIDTH = 8.4;
const HEIGHT = 18;
const MARGIN = 14;
const BASELINE = 13;

const plain: Style = { colour: 'ink', bold: false, dim: false, inverse: false };
/** What the codes of `ph` and tmux do. */
const changes: Readonly<Record<number, Partial<Style>>> = {
  0: plain,
  1: { bold: true },
  2: { dim: true },
  7: { inverse: true },
  22: { bold: false, dim: false },
  27: { inverse: false },
  31: { colour: 'red' },
  32: { colour: 'green' },
  33: { colour: 'yellow' },
  36: { colour: 'cyan' },
  39: { colour: 'ink' },
  49: {},
};
const blocks = '▁▂▃▄▅▆▇█';

const css = `
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre; }
.bold { font-weight: bold; } .dim { opacity: 0.6; }
.paper { fill: #ffffff; stroke: #d0d7de; } .on { fill: #ffffff; } .ink { fill: #1f2328; }
.red { fill: #cf222e; } .green { fill: #1a7f37; } .yellow { fill: #9a6700; } .cyan { fill: #1b7c83; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117; stroke: #30363d; } .on { fill: #0d1117; } .ink { fill: #e6edf3; }
  .red { fill: #ff7b72; } .green { fill: #3fb950; } .yellow { fill: #d29922; } .cyan { fill: #39c5cf; }
}`;

/** @param columns width of the terminal */
export function ansiToSvg(screen: string, columns: number, title: string): string {
  const lines = screen.trimEnd().split('\n');
  const width = Math.ceil(columns * WIDTH + 2 * MARGIN);
  const height = lines.length * HEIGHT + 2 * MARGIN;
  const content = rowsOf(lines).flatMap((runs, row) => runs.flatMap(run => shapesOf(run, row)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>${css}
</style>
<rect class="paper" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>
${content.join('\n')}
</svg>
`;
}

/** A style goes on until another one comes, over the ends of lines, too. */
function rowsOf(lines: readonly string[]): Run[][] {
  let style = plain;
  return lines.map(line => {
    const runs: Run[] = [];
    let column = 0;
    for (const [index, part] of line.split('\x1b[').entries()) {
      const [, codes, text = part] = (index > 0 && /^([\d;]*)m(.*)$/.exec(part)) || [];
      if (codes !== undefined) style = codes.split(';').map(Number).reduce(withCode, style);
      // Blocks are drawn, not written: in many fonts they are no whole characters.
      for (const piece of text.match(/[▁-█]+|[^▁-█]+/g) ?? []) {
        runs.push({ text: piece, column, style });
        column += piece.length;
      }
    }
    return runs;
  });
}

function withCode(style: Style, code: number): Style {
  const change = changes[code];
  if (!change) throw new Error(`the picture knows no style ${code}`);
  return { ...style, ...change };
}

function shapesOf({ text, column, style }: Run, row: number): string[] {
  const x = MARGIN + column * WIDTH;
  const y = MARGIN + row * HEIGHT;
  const shapes = style.inverse ? [rectangle(style.colour, x, y, text.length * WIDTH, HEIGHT)] : [];
  const fill = style.inverse ? 'on' : style.colour;
  if (blocks.includes(text.charAt(0)))
    return [...shapes, ...[...text].map((block, i) => blockShape(fill, block, x + i * WIDTH, y))];
  if (text.trim() === '') return shapes;
  const classes = [fill, style.bold && 'bold', style.dim && 'dim'].filter(Boolean).join(' ');
  const length = (text.length * WIDTH).toFixed(1);
  return [
    ...shapes,
    `<text class="${classes}" x="${x.toFixed(1)}" y="${y + BASELINE}" textLength="${length}" xml:space="preserve">${escaped(text)}</text>`,
  ];
}

function blockShape(fill: string, block: string, x: number, y: number): string {
  const height = ((blocks.indexOf(block) + 1) / blocks.length) * (HEIGHT - 3);
  return rectangle(fill, x, y + HEIGHT - 2 - height, WIDTH - 0.6, height);
}

function rectangle(fill: string, x: number, y: number, width: number, height: number): string {
  const [left, top, wide, high] = [x, y, width, height].map(each => each.toFixed(1));
  return `<rect class="${fill}" x="${left}" y="${top}" width="${wide}" height="${high}"/>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
