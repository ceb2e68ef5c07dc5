/** What a method threw → what its caller is told of it. */

import { inspect } from 'node:util';
import { RpcCode, type RpcErrorObject } from './protocol.ts';

/** Errors of this package that a call can end with. */
const codes: ReadonlyMap<unknown, number> = new Map([
  ['PH_ERR_TASK_TIMEOUT', RpcCode.timedOut],
  ['PH_ERR_QUEUE_TIMEOUT', RpcCode.queueTimedOut],
  ['PH_ERR_QUEUE_FULL', RpcCode.overloaded],
  ['PH_ERR_THREAD_EXIT', RpcCode.threadLost],
  ['PH_ERR_UNKNOWN_TASK', RpcCode.internalError],
  ['PH_ERR_NO_THREADS', RpcCode.internalError],
]);

/** `code` where it is an integer, `message` and `data`; the stack, in `data`, where that is asked for. */
export function errorObjectOf(thrown: unknown, withStack: boolean): RpcErrorObject {
  try {
    return describe(thrown, withStack);
  } catch {
    return { code: RpcCode.failed, message: 'what was thrown cannot be read' };
  }
}

/** Whether nobody has thought of it: it has no code of its own, and none that this package gives. */
export function isUnexpected({ code }: RpcErrorObject): boolean {
  return code === RpcCode.failed || code === RpcCode.internalError;
}

function describe(thrown: unknown, withStack: boolean): RpcErrorObject {
  if (typeof thrown !== 'object' || thrown === null) {
    return { code: RpcCode.failed, message: typeof thrown === 'string' ? thrown : inspect(thrown) };
  }
  const { rpcCode, code, message, data, stack } = thrown as Record<string, unknown>;
  const own = [rpcCode, code].find(Number.isInteger) as number | undefined;
  const shown = withStack && typeof stack === 'string' ? addStack(data, stack) : data;
  return {
    code: own ?? codes.get(code) ?? RpcCode.failed,
    message: typeof message === 'string' ? message : inspect(thrown),
    ...(shown !== undefined && { data: shown }),
  };
}

function addStack(data: unknown, stack: string): object {
  if (data === undefined) return { stack };
  return typeof data === 'object' && data !== null && !Array.isArray(data)
    ? { ...data, stack }
    : { data, stack };
}
