/** Requests that are no calls, or that nobody may make: what they are answered, and how. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorText, internalError, invalidRequest, RpcCode, type RpcErrorObject } from './protocol.ts';

export interface Refusal {
  readonly status: number;
  readonly error: RpcErrorObject;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refused body is read on for that long, ms, so that its sender is there to hear why. */
const lingering = 1000;
/** Behind a refused body of so many bytes the connection goes on. */
const skipped = 64 * 1024;

/** What is JSON, and what clients that know nothing of it say by default: `curl -d` is among them. */
const mediaTypes =
  /^(application\/(json|json-rpc|jsonrequest|x-www-form-urlencoded|[\w.-]+\+json)|text\/plain)$/i;

export const refusals = {
  webPage: {
    status: 403,
    error: { code: RpcCode.unauthorized, message: 'Calls from web pages need rpc_token or rpc_public' },
  },
  unauthorized: {
    status: 401,
    error: { code: RpcCode.unauthorized, message: 'Unauthorized' },
    headers: { 'WWW-Authenticate': 'Bearer' },
  },
  failed: { status: 500, error: internalError },
  overloaded: {
    status: 503,
    error: { code: RpcCode.overloaded, message: 'too many requests of one connection are in hand' },
    headers: { 'Retry-After': '1' },
  },
  tooLarge: (limit: number) => ({
    status: 413,
    error: { code: RpcCode.tooLarge, message: `the body exceeds ${limit} bytes (rpc_max_body)` },
  }),
} as const;

/** Why a request is none that could be a call, as far as its head tells. */
export function readRefusal(
  { method, headers }: IncomingMessage,
  path: string,
  maxBody: number,
): Refusal | undefined {
  if (path === '/healthz') return notAllowed('GET, HEAD');
  if (path !== '/') return { status: 404, error: invalidRequest(`there is nothing at this path: POST to /`) };
  if (method !== 'POST') return notAllowed('POST');
  const { 'content-type': contentType, 'content-encoding': encoding, 'content-length': length } = headers;
  if (contentType !== undefined && contentType !== 'application/json' && !isReadable(contentType)) {
    return { status: 415, error: invalidRequest('the body must be application/json, in UTF-8') };
  }
  if (encoding !== undefined && encoding !== 'identity') {
    return { status: 415, error: invalidRequest('the body must not be compressed') };
  }
  return Number(length) > maxBody ? refusals.tooLarge(maxBody) : undefined;
}

function notAllowed(methods: string): Refusal {
  const error = invalidRequest(`use ${methods.replace(',', ' or')} here`);
  return { status: 405, error, headers: { Allow: methods } };
}

function isReadable(contentType: string): boolean {
  const [type = '', ...parameters] = contentType.split(';').map(part => part.trim());
  const charset = parameters.find(parameter => /^charset=/i.test(parameter))?.slice('charset='.length);
  return mediaTypes.test(type) && (charset === undefined || /^"?utf-?8"?$/i.test(charset));
}

/** Answers, and closes the connection where that is cheaper than to read what still comes. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, error, headers }: Refusal,
): void {
  const text = errorText(error, null);
  const closes = !(restOf(request) <= skipped);
  response.writeHead(status, {
    ...headers,
    ...(closes && { Connection: 'close' }),
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  });
  request.resume();
  if (!closes) {
    response.end(text);
    return;
  }
  // A connection that closes while its client still sends is reset, and then the answer is lost.
  response.write(text);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, lingering);
  request.once('end', end).once('close', end);
}

/** How many bytes of the body may still come. */
function restOf({ complete, headers }: IncomingMessage): number {
  if (complete) return 0;
  const length = headers['content-length'];
  if (length !== undefined) return Number(length);
  return headers['transfer-encoding'] === undefined ? 0 : Number.POSITIVE_INFINITY;
}
