/** The tasks that all pools run. */

import { writeFileSync } from 'node:fs';

export function tiny({ n }) {
  return n + 1;
}

export function echo(bytes) {
  return bytes;
}

/** Pure CPU work: neither memory nor a clock is in it, so that contention for cores shows. */
export function spin({ turns }) {
  let value = 1;
  for (let i = 0; i < turns; i++) value = (Math.imul(value, 1664525) + 1013904223) | 0;
  return value;
}

/** Kills its process the first time that it runs, for which `marker`, a path, stands. */
export function crash({ n, marker }) {
  try {
    writeFileSync(marker, '', { flag: 'wx' });
  } catch {
    return n + 1;
  }
  process.kill(process.pid, 'SIGSEGV');
  // The signal may reach another thread first: no result may leave meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
