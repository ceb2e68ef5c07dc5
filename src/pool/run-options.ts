/** Checks the options of one call: a mistake in them is told at once, not when the task would run. */

import type { RunOptions } from './types.ts';

/** Throws a `TypeError` or `RangeError` that names the option. */
export function checkRunOptions(options: RunOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError("the options of a task must be an object, such as { name: 'square' }");
  }
  const { name, signal, timeout, queueTimeout, priority, retries } = options;
  if (name !== undefined && typeof name !== 'string') throw new TypeError('name must be a string');
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TypeError('signal must be an AbortSignal');
  checkDuration('timeout', timeout);
  checkDuration('queueTimeout', queueTimeout);
  if (priority !== undefined && !Number.isFinite(priority))
    throw new RangeError('priority must be a finite number');
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 0)) {
    throw new RangeError('retries must be an integer of at least 0');
  }
}

function checkDuration(name: string, value: number | undefined): void {
  if (value !== undefined && !(typeof value === 'number' && value >= 0)) {
    throw new RangeError(`${name} must be a number of milliseconds of at least 0`);
  }
}
