/** JSON-RPC 2.0, https://www.jsonrpc.org/specification: what its messages say. Pure: nothing is called here. */

import { inspect } from 'node:util';

/** Codes of errors; from -32000 to -32099 they are this server's own. Your own errors may have any other integer. */
export const RpcCode = {
  /** The body is no JSON. */
  parseError: -32700,
  /** It is JSON, and no call. */
  invalidRequest: -32600,
  methodNotFound: -32601,
  /** For your own methods to throw. */
  invalidParams: -32602,
  /** The result cannot be written as JSON, or the server is not able to run a method at all. */
  internalError: -32603,
  /** The method threw an error that has no integer as its `code`. */
  failed: -32000,
  /** It ran longer than `task_timeout`. */
  timedOut: -32001,
  /** It waited longer than `queue_timeout`, and was not begun. */
  queueTimedOut: -32002,
  /** `max_queue` calls wait already; it was not begun. */
  overloaded: -32003,
  /** The thread ended that ran it. */
  threadLost: -32004,
  /** Without the token, or from a web page. */
  unauthorized: -32005,
  /** The body exceeds `rpc_max_body`. */
  tooLarge: -32006,
} as const;

/** Larger integers are not what they were written as once they are read. */
export type RpcId = string | number | null;

export interface RpcErrorObject {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** A call as it was sent. */
export interface CallMessage {
  readonly method: string;
  /** Named or positional parameters. */
  readonly params: object | undefined;
  /** Undefined: a notification, which nothing is answered to. */
  readonly id: RpcId | undefined;
}

export interface InvalidMessage {
  readonly error: RpcErrorObject;
  /** Null where there is none that could be used. */
  readonly id: RpcId;
}

export const parseError: RpcErrorObject = { code: RpcCode.parseError, message: 'Parse error' };
export const internalError: RpcErrorObject = { code: RpcCode.internalError, message: 'Internal error' };
export const methodNotFound: RpcErrorObject = { code: RpcCode.methodNotFound, message: 'Method not found' };

/** `data` says what is wrong where that is not plain to see. */
export function invalidRequest(data?: string): RpcErrorObject {
  return { code: RpcCode.invalidRequest, message: 'Invalid Request', ...(data !== undefined && { data }) };
}

/** What a value says that was sent as a call. */
export function readMessage(value: unknown): CallMessage | InvalidMessage {
  if (typeof value !== 'object' || value === null) return { error: invalidRequest(), id: null };
  const { jsonrpc, method, params, id } = value as Record<string, unknown>;
  const isKnown = id === undefined || isId(id);
  const invalid = (data?: string) => ({ error: invalidRequest(data), id: isKnown ? (id ?? null) : null });
  if (typeof method !== 'string') return invalid();
  if (jsonrpc !== '2.0') return invalid('jsonrpc must be "2.0"');
  if (!isKnown)
    return invalid(`id must be a text, null, or a number that is exact: an integer of at most 2^53`);
  if (params !== undefined && (typeof params !== 'object' || params === null)) {
    return invalid('params must be an object or an array');
  }
  return { method, params, id };
}

/**
 * What a method is called with: an object of named parameters as it is, the only one of positional parameters, and
 * several as an array. A task has one parameter.
 */
export function payloadOf(params: object | undefined): unknown {
  if (!Array.isArray(params)) return params;
  return params.length > 1 ? params : params[0];
}

/** Throws a `TypeError` where the result cannot be written as JSON. */
export function resultText(result: unknown, id: RpcId): string {
  // What JSON has no word for, such as `undefined`, is null: a response without result would be none.
  return `{"jsonrpc":"2.0","result":${JSON.stringify(result) ?? 'null'},"id":${JSON.stringify(id)}}`;
}

export function errorText({ code, message, data }: RpcErrorObject, id: RpcId): string {
  const error = { code, message, ...(data !== undefined && { data: writable(data) }) };
  return `{"jsonrpc":"2.0","error":${JSON.stringify(error)},"id":${JSON.stringify(id)}}`;
}

/** An error must arrive, whatever it carries. */
function writable(data: unknown): unknown {
  try {
    JSON.stringify(data);
    return data;
  } catch {
    return inspect(data);
  }
}

function isId(id: unknown): id is RpcId {
  if (typeof id === 'number')
    return Number.isSafeInteger(id) || (Number.isFinite(id) && !Number.isInteger(id));
  return typeof id === 'string' || id === null;
}
