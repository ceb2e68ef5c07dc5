/** A client of the control socket of a supervisor. */

import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import { ControlError, ControlTimeoutError, type ExitCode, NotRunningError } from '../errors.ts';
import {
  AcceptedSchema,
  type AnswerOf,
  FailureSchema,
  type RequestOf,
  type RouteName,
  routes,
} from './protocol.ts';
import { reach } from './socket.ts';

export interface ControlOptions {
  /** How long to wait for the answer, ms; what was asked for goes on. Default: no limit. */
  readonly timeout?: number | undefined;
  /** Its abort ends the wait; a submitted task ends with it. */
  readonly signal?: AbortSignal | undefined;
}

type Accepted = z.infer<typeof AcceptedSchema>;

/** What is answered at once where nobody waits. */
type Answer<Name extends RouteName, Request> = Request extends { readonly wait: false }
  ? Accepted
  : AnswerOf<Name>;

/**
 * All methods reject with a `NotRunningError` where no supervisor answers, with a `ControlError` that has the code and
 * the message of what went wrong there, and with a `ControlTimeoutError`.
 */
export interface ControlClient {
  readonly path: string;
  /** What runs, and how it is. */
  status(options?: ControlOptions): Promise<AnswerOf<'status'>>;
  /** Lets the workers of a section, or all and the supervisor with them, finish what they have. */
  stop<R extends RequestOf<'stop'>>(request?: R, options?: ControlOptions): Promise<Answer<'stop', R>>;
  /** Ends the workers of a section, or all, and starts new ones with the configuration as it is now. */
  restart<R extends RequestOf<'restart'>>(
    request?: R,
    options?: ControlOptions,
  ): Promise<Answer<'restart', R>>;
  /** Replaces the workers of a section, or all: new ones are ready before old ones go. */
  reload<R extends RequestOf<'reload'>>(request?: R, options?: ControlOptions): Promise<Answer<'reload', R>>;
  /** What `reload` would change. */
  plan(request?: RequestOf<'plan'>, options?: ControlOptions): Promise<AnswerOf<'plan'>>;
  /** Replaces the supervisor itself; answers when the new one is in charge. */
  upgrade<R extends RequestOf<'upgrade'>>(
    request?: R,
    options?: ControlOptions,
  ): Promise<Answer<'upgrade', R>>;
  /** Changes the number of workers of a section: `4`, `+1`, `-2`. */
  scale<R extends RequestOf<'scale'>>(request: R, options?: ControlOptions): Promise<Answer<'scale', R>>;
  /** Where the main threads of workers are, and the tasks on their threads. */
  stack(request?: RequestOf<'stack'>, options?: ControlOptions): Promise<AnswerOf<'stack'>>;
  /** Runs one task in a section. */
  submit(request: RequestOf<'submit'>, options?: ControlOptions): Promise<AnswerOf<'submit'>>;
}

/** A client for the supervisor behind a control socket. A connection is made for each call. */
export function connect(path: string): ControlClient {
  const caller =
    (name: RouteName) =>
    (fields: object = {}, options: ControlOptions = {}) =>
      call(path, name, fields, options);
  const client = Object.fromEntries((Object.keys(routes) as RouteName[]).map(name => [name, caller(name)]));
  return {
    ...(client as unknown as ControlClient),
    path,
    status: options => call(path, 'status', {}, options) as Promise<AnswerOf<'status'>>,
  };
}

async function call(
  path: string,
  name: RouteName,
  fields: object,
  { timeout, signal }: ControlOptions = {},
): Promise<unknown> {
  const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout);
  const signals = [limit, signal].filter(each => each !== undefined);
  try {
    const { status, body } = await exchange(path, name, fields, AbortSignal.any(signals));
    if (status >= 400) throw errorOf(path, body);
    return (status === 202 ? AcceptedSchema : routes[name].answer).parse(body);
  } catch (error) {
    if (limit?.aborted && !signal?.aborted) throw new ControlTimeoutError(name, timeout as number);
    throw error;
  }
}

async function exchange(
  path: string,
  name: RouteName,
  fields: object,
  signal: AbortSignal,
): Promise<{ status: number; body: unknown }> {
  const { method, path: route } = routes[name];
  const query = method === 'GET' ? `?${new URLSearchParams(textsOf(fields))}` : '';
  const socket = reachIfThere(path);
  try {
    return await new Promise((resolve, reject) => {
      const outgoing = request(
        { socketPath: socket.path, method, path: route + query, signal, agent: false },
        response => {
          text(response)
            .then(body => resolve({ status: response.statusCode ?? 500, body: JSON.parse(body) }))
            .catch(error => reject(isGone(error) ? gone(path, error) : error));
        },
      );
      outgoing.on('error', error => reject(isGone(error) ? gone(path, error) : error));
      outgoing.end(method === 'POST' ? JSON.stringify(fields) : undefined);
    });
  } finally {
    socket.close();
  }
}

function reachIfThere(path: string) {
  try {
    return reach(path);
  } catch (error) {
    throw gone(path, error);
  }
}

function textsOf(fields: object): Record<string, string> {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, String(value)]));
}

function isGone(error: unknown): boolean {
  const codes = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTDIR'];
  return codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

function gone(path: string, cause: unknown): NotRunningError {
  const { code } = cause as NodeJS.ErrnoException;
  const reason =
    code === 'ECONNRESET' || code === 'EPIPE'
      ? 'the supervisor ended before it had answered'
      : 'no supervisor runs';
  return new NotRunningError(`${reason} (${path})`, cause);
}

function errorOf(path: string, body: unknown): ControlError {
  const { success, data } = FailureSchema.safeParse(body);
  if (!success) return new ControlError('PH_ERR_CONTROL_ANSWER', `${path} is no control socket of ph`);
  const { code, message, details, exitCode } = data.error;
  return new ControlError(code, message, { details, exitCode: exitCode as ExitCode });
}
