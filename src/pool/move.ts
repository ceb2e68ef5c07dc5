/**
 * Piscina's `move()`, so that tasks which use it run here unchanged. Between processes nothing can be moved: the value is
 * copied, as without it, and stays usable.
 */
export function move<T>(value: T): T {
  return value;
}
