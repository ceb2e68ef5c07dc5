/** A call that has hooks around it, or runs on the main thread. */

import type { IncomingMessage } from 'node:http';
import { TaskTimeoutError } from '../errors.ts';
import { withResolvers } from '../promise.ts';
import type { Method, RpcCall, RpcOutcome } from './methods.ts';
import { type CallMessage, payloadOf, type RpcId } from './protocol.ts';
import { responseText } from './response-text.ts';
import type { Slot } from './slot.ts';
import { type CallQueue, type RpcThreads, ThreadCall } from './thread-call.ts';

/** Where a call comes from. */
export interface CallOrigin {
  /** Undefined where it came another way than by HTTP. */
  readonly request: IncomingMessage | undefined;
  /** What it is a part of, as `activeTrace()` gives it. */
  readonly trace: string;
}

/** What runs around every call. */
export interface RpcHooks {
  /** What it throws is the answer; the method is not run then. */
  readonly beforeCall: ((call: RpcCall) => unknown) | undefined;
  readonly afterCall: ((call: RpcCall, outcome: RpcOutcome) => unknown) | undefined;
  /** Something that `afterCall` has thrown, which changes no answer any more. */
  readonly onError: (error: unknown) => void;
}

/** What calls are carried out with. */
export interface CallTools {
  readonly hooks: RpcHooks;
  readonly threads: RpcThreads;
  readonly queue: CallQueue;
}

export class OwnCall implements RpcCall {
  readonly method: string;
  readonly params: unknown;
  readonly id: RpcId | undefined;
  readonly request: IncomingMessage | undefined;
  readonly #trace: string;
  readonly #method: Method;
  readonly #slot: Slot;
  readonly #tools: CallTools;
  readonly #abort = new AbortController();
  #isCancelled = false;

  constructor(
    method: Method,
    { params, id }: CallMessage,
    slot: Slot,
    { request, trace }: CallOrigin,
    tools: CallTools,
  ) {
    this.method = method.name;
    this.params = payloadOf(params);
    this.id = id;
    this.request = request;
    this.#trace = trace;
    this.#method = method;
    this.#slot = slot;
    this.#tools = tools;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The client has left. */
  cancel(): void {
    this.#isCancelled = true;
    this.#abort.abort(new DOMException('the client has left', 'AbortError'));
  }

  /** `text`: the call, in JSON. */
  async run(text: Buffer): Promise<void> {
    const { beforeCall, afterCall, onError } = this.#tools.hooks;
    const begun = performance.now();
    let outcome: Outcome;
    try {
      await beforeCall?.(this);
      this.signal.throwIfAborted();
      const response = await ('task' in this.#method ? this.#runOnThread(text) : this.#runHere());
      this.#slot.onResponse(response);
      outcome = new Outcome(begun, undefined, response);
    } catch (error) {
      if (!this.#isCancelled) this.#slot.onError(error);
      outcome = new Outcome(begun, error);
    }
    try {
      await afterCall?.(this, outcome);
    } catch (error) {
      onError(error);
    }
  }

  #runOnThread(text: Buffer): Promise<Buffer> {
    const { task } = this.#method as Extract<Method, { task: unknown }>;
    const { promise, resolve, reject } = withResolvers<Buffer>();
    const { queue, threads } = this.#tools;
    const owner = { onAccepted: () => this.#slot.onAccepted(), onResponse: resolve, onError: reject };
    const call = new ThreadCall(task, text, this.#trace, owner, threads);
    this.signal.addEventListener('abort', () => {
      call.cancel();
      reject(this.signal.reason);
    });
    queue.add(call);
    return promise;
  }

  async #runHere(): Promise<string> {
    const { run, timeout } = this.#method as Extract<Method, { run: unknown }>;
    this.#slot.onAccepted();
    const givenUp = new Promise<never>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason));
    });
    const timer =
      timeout > 0
        ? setTimeout(() => this.#abort.abort(new TaskTimeoutError(this.method, timeout)), timeout)
        : undefined;
    try {
      const result = await Promise.race([givenUp, (async () => run(this.params, this))()]);
      return this.id === undefined ? '' : responseText(this.method, result, this.id);
    } finally {
      clearTimeout(timer);
    }
  }
}

class Outcome implements RpcOutcome {
  readonly error: unknown;
  readonly duration: number;
  readonly #response: string | Buffer;

  constructor(begun: number, error: unknown, response: string | Buffer = '') {
    this.duration = performance.now() - begun;
    this.error = error;
    this.#response = response;
  }

  get result(): unknown {
    return this.#response.length === 0 ? undefined : JSON.parse(String(this.#response)).result;
  }
}
