/** Turns what a terminal shows into a picture: the lines of `tmux capture-pane -e` into an SVG that suits light and dark. */

interface Style {
  readonly colour: string | undefined;
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

const plain: Style = { colour: undefined, bold: false, dim: false, inverse: false };
const colours = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
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
      const [codes = '', text = ''] = index === 0 ? ['', part] : splitOnce(part, 'm');
      if (index > 0) style = codes.split(';').map(Number).reduce(withCode, style);
      // Blocks are drawn, not written: in many fonts they are no whole characters.
      for (const piece of text.match(/[▁-█]+|[^▁-█]+/g) ?? []) {
        runs.push({ text: piece, column, style });
        column += piece.length;
      }
    }
    return runs;
  });
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

function withCode(style: Style, code: number): Style {
  if (code === 0) return plain;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 7) return { ...style, inverse: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 27) return { ...style, inverse: false };
  if (code >= 30 && code <= 37) return { ...style, colour: colours[code - 30] };
  if (code === 49) return style;
  if (code === 39) return { ...style, colour: undefined };
  throw new Error(`the picture knows no style ${code}`);
}

function shapesOf({ text, column, style }: Run, row: number): string[] {
  const x = MARGIN + column * WIDTH;
  const y = MARGIN + row * HEIGHT;
  const ink = style.colour ?? 'ink';
  const shapes = style.inverse ? [rectangle(ink, x, y, text.length * WIDTH, HEIGHT)] : [];
  const fill = style.inverse ? 'on' : ink;
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
