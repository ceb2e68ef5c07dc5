/** Ways to keep a pool busy. */

/** Keeps that many calls under way, until `next` has none any more and all have ended. */
export async function keepInFlight(count: number, next: () => Promise<unknown> | undefined): Promise<void> {
  const lane = async () => {
    for (let call = next(); call; call = next()) await call;
  };
  await Promise.all(Array.from({ length: count }, lane));
}

/** Calls that ended per second, within `duration` ms of `count` in flight. */
export async function rate(count: number, duration: number, call: () => Promise<void>): Promise<number> {
  let ended = 0;
  const begun = performance.now();
  const counted = async () => {
    await call();
    if (performance.now() - begun < duration) ended++;
  };
  await keepInFlight(count, () => (performance.now() - begun < duration ? counted() : undefined));
  return ended / (duration / 1000);
}

/** Ms that each call took, one after the other, for `duration` ms and at least `atLeast` calls. */
export async function times(
  duration: number,
  atLeast: number,
  call: () => Promise<void>,
): Promise<readonly number[]> {
  const taken: number[] = [];
  const begun = performance.now();
  for (let now = begun; now - begun < duration || taken.length < atLeast; ) {
    await call();
    const ended = performance.now();
    taken.push(ended - now);
    now = ended;
  }
  return taken;
}
