/** A client of the control socket of a supervisor. */

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import {
  ControlError,
  ControlSocketError,
  ControlTimeoutError,
  type ExitCode,
  NotRunningError,
} from '../errors.ts';
import type { AcceptedSchema, AnswerOf, RequestOf, Route, RouteName } from './protocol.ts';
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
  const caller = (name: RouteName) => (fields?: object, options?: ControlOptions) =>
    call(path, name, fields, options);
  const methods = {
    path,
    status: (options?: ControlOptions) => call(path, 'status', {}, options),
    stop: caller('stop'),
    restart: caller('restart'),
    reload: caller('reload'),
    plan: caller('plan'),
    upgrade: caller('upgrade'),
    scale: caller('scale'),
    stack: caller('stack'),
    submit: caller('submit'),
  };
  // The schemas make sure of what comes back.
  return methods as ControlClient;
}

async function call(
  path: string,
  name: RouteName,
  fields: object = {},
  { timeout, signal }: ControlOptions = {},
): Promise<unknown> {
  // Here, since every thread that imports this package would pay for them.
  const { AcceptedSchema, FailureSchema, routes } = await import('./protocol.ts');
  const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout);
  const signals = [limit, signal].filter(each => each !== undefined);
  try {
    const { status, body } = await exchange(path, routes[name], fields, AbortSignal.any(signals));
    const answer = (status === 202 ? AcceptedSchema : routes[name].answer).safeParse(body);
    if (answer.success) return answer.data;
    const { success, data } = FailureSchema.safeParse(body);
    if (!success) throw foreign(path);
    const { code, message, details, exitCode } = data.error;
    throw new ControlError(code, message, { details, exitCode: exitCode as ExitCode });
  } catch (error) {
    if (limit?.aborted && !signal?.aborted)
      throw new ControlTimeoutError(lateness(path, name, timeout as number));
    throw error;
  }
}

function lateness(path: string, name: RouteName, limit: number): string {
  const seconds = `${limit / 1000} s`;
  const isQuestion = name === 'status' || name === 'plan' || name === 'stack';
  return isQuestion
    ? `the supervisor has not answered within ${seconds} (${path})`
    : `${name} is not done after ${seconds}; it goes on`;
}

async function exchange(
  path: string,
  { method, path: route }: Pick<Route, 'method' | 'path'>,
  fields: object,
  signal: AbortSignal,
): Promise<{ status: number; body: unknown }> {
  const query = method === 'GET' ? `?${new URLSearchParams(textsOf(fields))}` : '';
  let close = () => {};
  try {
    const socket = reach(path);
    close = () => socket.close();
    const outgoing = request({ socketPath: socket.path, method, path: route + query, signal, agent: false });
    // One that comes after the response shows in its text.
    outgoing.on('error', () => {});
    outgoing.end(method === 'POST' ? JSON.stringify(fields) : undefined);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: parse(await text(response)) };
  } catch (error) {
    throw explained(path, error as NodeJS.ErrnoException);
  } finally {
    close();
  }
}

function textsOf(fields: object): Record<string, string> {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, String(value)]));
}

/** Undefined for what is no JSON: no schema takes that. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Whoever answers there does not speak as a supervisor does. */
function foreign(path: string): ControlError {
  return new ControlError('PH_ERR_CONTROL_ANSWER', `${path} is no control socket of ph`);
}

function explained(path: string, error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ECONNREFUSED':
      return new NotRunningError(`no supervisor runs (${path})`, error);
    case 'ECONNRESET':
    case 'EPIPE':
      return new NotRunningError(`the supervisor ended before it had answered (${path})`, error);
    case 'EACCES':
      return new ControlSocketError(path, 'only the user that runs the supervisor can connect', error);
    default:
      if (error.code?.startsWith('HPE_')) return foreign(path);
      return error.syscall === 'connect' ? new ControlSocketError(path, error.message, error) : error;
  }
}
