/** Times in buckets of which each is about a tenth wider than the one before: percentiles of them are that exact. Pure. */

/** From 2^-10 ms, a microsecond, to 2^22 ms, an hour: eight for each doubling. */
export const fineBuckets = 32 * 8;

/** What stands above these bits of a 32-bit float is its exponent and the first three bits of its fraction. */
const shift = 20;
/** Of 2^-10. */
const first = (127 - 10) * 8;

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** `ms` is 0 or more. */
export function fineBucketOf(ms: number): number {
  float[0] = ms;
  return Math.min(fineBuckets - 1, Math.max(0, ((bits[0] as number) >> shift) - first));
}

/** The middle of a bucket, ms. */
function middleOf(bucket: number): number {
  bits[0] = ((bucket + first) << shift) + (1 << (shift - 1));
  return float[0] as number;
}

/** The time that `part` of all do not exceed, ms; 0 where there are none. */
export function percentile(counts: Float64Array, part: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  let left = part * total;
  const bucket = counts.findIndex(count => {
    left -= count;
    return count > 0 && left <= 0;
  });
  return middleOf(bucket);
}
