/** Time limits that a timer can hold. */

const longestTimer = 2 ** 31 - 1;

/** `ms`, or 0, no limit, where it is longer than a timer of Node can be (24 days): that would end at once. */
export function timeLimit(ms: number): number {
  return ms > longestTimer ? 0 : ms;
}
