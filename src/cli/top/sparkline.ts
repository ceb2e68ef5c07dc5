/** A course of values as one line of blocks. */

const blocks = [...'▁▂▃▄▅▆▇█'];

/** The last `width` values, the newest at the right; the highest of them is a whole block, zero the lowest one. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width < 1 ? [] : values.slice(-width);
  const maximum = Math.max(...shown, 0);
  const block = (value: number) => Math.ceil((value / (maximum || 1)) * (blocks.length - 1));
  return shown
    .map(value => blocks[block(value)])
    .join('')
    .padStart(width);
}
