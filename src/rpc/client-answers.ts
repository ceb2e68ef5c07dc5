/** What a server has answered → the calls that it is the answer to. */

import { RpcError, RpcResponseError } from '../errors.ts';
import type { ClientCall } from './client-call.ts';
import type { HttpAnswer } from './client-transport.ts';

interface Response {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** Settles every call that was sent with the request, in whatever order the answers are. */
export function settleCalls(
  calls: readonly ClientCall[],
  { status, text }: HttpAnswer,
  server: string,
): void {
  const value = parse(text);
  const responses = (Array.isArray(value) ? value : [value]).filter(isResponse);
  const answers = new Map(responses.map(response => [response.id ?? null, response]));
  // One that is to no call in particular is to all of them: the request as a whole was refused.
  const refusal = answers.get(null)?.error;
  const isSuccess = status >= 200 && status < 300;
  for (const call of calls) {
    const answer = call.id === undefined ? undefined : answers.get(call.id);
    if (answer) settle(call, answer);
    else if (refusal !== undefined) call.reject(toError(refusal));
    else if (call.id === undefined && isSuccess) call.resolve(undefined);
    else call.reject(new RpcResponseError(server, status, text === '' ? 'no answer' : 'no JSON-RPC'));
  }
}

function settle(call: ClientCall, { result, error }: Response): void {
  if (error === undefined) call.resolve(result);
  else call.reject(toError(error));
}

function toError(error: unknown): RpcError {
  const { code, message, data } = (error ?? {}) as { code?: unknown; message?: unknown; data?: unknown };
  return new RpcError(Number(code), String(message), data);
}

function isResponse(value: unknown): value is Response {
  return typeof value === 'object' && value !== null && ('result' in value || 'error' in value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
