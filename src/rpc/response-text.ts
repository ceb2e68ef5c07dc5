/** What a method has returned → the text of its response, on a thread or on the main thread. */

import { unwrapMoved } from '../channel/moved.ts';
import { RpcCode, type RpcId, resultText } from './protocol.ts';

/** Throws a `TypeError` that names the method where its result cannot be written as JSON. */
export function responseText(method: string, result: unknown, id: RpcId): string {
  try {
    const value = unwrapMoved(result);
    if (isIterator(value)) throw new TypeError('it is a generator');
    return resultText(value, id);
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw Object.assign(new TypeError(`the result of ${method} cannot be written as JSON: ${reason}`), {
      rpcCode: RpcCode.internalError,
    });
  }
}

function isIterator(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as { next?: unknown }).next === 'function'
  );
}
