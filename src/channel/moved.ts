/** Values that a task or its caller has marked with Piscina's `move()`: between processes they are copied all the same. */

// Piscina's own, and global: whichever copy of it the user's code imports.
const transferable = Symbol.for('Piscina.transferable');
const wrappedValue = Symbol.for('Piscina.valueOf');

/** The value itself, whether it was marked or not. */
export function unwrapMoved(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(transferable in value)) return value;
  return (value as { [wrappedValue]?: unknown })[wrappedValue];
}
