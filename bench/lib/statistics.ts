/** What samples come down to. */

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that the given share of all values is below; NaN where there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
