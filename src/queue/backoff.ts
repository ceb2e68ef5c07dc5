/** How long to wait before the next attempt. */

const first = 100;
const longest = 5000;

/** Ms before the `attempt`-th, which counts from 1: doubling, with jitter, so that machines do not come back all at once. */
export function backoff(attempt: number): number {
  const full = Math.min(longest, first * 2 ** Math.min(attempt - 1, 16));
  return Math.round(full * (0.5 + Math.random() / 2));
}
