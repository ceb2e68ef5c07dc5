/** What worker processes print, passed on to this process's own output. */

import type { Readable, Writable } from 'node:stream';

/** Whoever waits for room on a stream, so that it has one listener however many they are. */
const waiting = new WeakMap<Writable, Set<Readable>>();

/** Passes on all that comes; a slow reader slows the worker down. */
export function passOn(from: Readable | null, to: Writable): void {
  from?.on('data', chunk => {
    if (!to.write(chunk)) pause(from, to);
  });
}

function pause(from: Readable, to: Writable): void {
  from.pause();
  const others = waiting.get(to);
  if (others) {
    others.add(from);
    return;
  }
  const sources = new Set([from]);
  waiting.set(to, sources);
  to.once('drain', () => {
    waiting.delete(to);
    for (const source of sources) source.resume();
  });
}
