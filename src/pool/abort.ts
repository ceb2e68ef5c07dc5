/** One listener on each signal, however many tasks share it: Node warns of more than ten. */

const callbacks = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back once when the signal is aborted. Returns what takes that back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let set = callbacks.get(signal);
  if (!set) {
    set = new Set();
    callbacks.set(signal, set);
    signal.addEventListener('abort', fire, { once: true });
  }
  set.add(callback);
  return () => {
    set.delete(callback);
    if (set.size > 0 || callbacks.get(signal) !== set) return;
    callbacks.delete(signal);
    signal.removeEventListener('abort', fire);
  };
}

function fire(this: AbortSignal): void {
  const set = callbacks.get(this);
  callbacks.delete(this);
  for (const callback of set ?? []) callback();
}
