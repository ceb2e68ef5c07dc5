/** One call of a client, until it is answered or given up. */

import { timeLimit } from '../channel/time-limit.ts';
import { RpcTimeoutError, TaskAbortError } from '../errors.ts';
import { withResolvers } from '../promise.ts';

export interface ClientCallOptions {
  readonly signal: AbortSignal | undefined;
  readonly timeout: number;
  /** It has ended otherwise than by its answer. */
  readonly onGivenUp: () => void;
}

export class ClientCall {
  readonly method: string;
  /** Undefined: a notification. */
  readonly id: number | undefined;
  readonly text: string;
  readonly #options: ClientCallOptions;
  readonly #result = withResolvers<unknown>();
  readonly #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** Throws a `TypeError` for a payload that cannot be written as JSON. */
  constructor(method: string, payload: unknown, id: number | undefined, options: ClientCallOptions) {
    this.method = method;
    this.id = id;
    this.text = callText(method, payload, id);
    this.#options = options;
    const { signal } = options;
    const timeout = timeLimit(options.timeout);
    if (timeout > 0)
      this.#timer = setTimeout(() => this.#giveUp(new RpcTimeoutError(method, timeout)), timeout);
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get result(): Promise<unknown> {
    return this.#result.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  resolve(value: unknown): void {
    if (this.#finish()) this.#result.resolve(value);
  }

  reject(error: unknown): void {
    if (this.#finish()) this.#result.reject(error);
  }

  #onAbort = (): void => this.#giveUp(new TaskAbortError(this.method, this.#options.signal?.reason));

  #giveUp(error: Error): void {
    if (!this.#finish()) return;
    this.#result.reject(error);
    this.#options.onGivenUp();
  }

  /** Returns whether it was not over before. */
  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}

function callText(method: string, payload: unknown, id: number | undefined): string {
  const written = payloadText(method, payload);
  // An object is named parameters; whatever else is the only one of positional parameters, an array included.
  const params = written === undefined || written.startsWith('{') ? written : `[${written}]`;
  const members = [`"method":${JSON.stringify(method)}`, params && `"params":${params}`, id && `"id":${id}`];
  return `{"jsonrpc":"2.0",${members.filter(Boolean).join(',')}}`;
}

function payloadText(method: string, payload: unknown): string | undefined {
  try {
    return JSON.stringify(payload);
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new TypeError(`the payload of ${method} cannot be written as JSON: ${reason}`, { cause: error });
  }
}
