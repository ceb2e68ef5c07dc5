/** Answers bodies: whichever way they come, JSON-RPC goes in and JSON-RPC goes out. */

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { rpcChannel, traceUntilEnd } from '../diagnostics.ts';
import { activeTrace, noTrace, traceOfRequest, withinTrace } from '../trace-context.ts';
import { Exchange, type Reply } from './exchange.ts';
import type { Method } from './methods.ts';
import { type CallOrigin, type CallTools, OwnCall, type RpcHooks } from './own-call.ts';
import {
  type CallMessage,
  invalidRequest,
  methodNotFound,
  parseError,
  type RpcErrorObject,
  type RpcId,
  readMessage,
} from './protocol.ts';
import { unknownMethod } from './rpc-counts.ts';
import { type Reporting, Slot } from './slot.ts';
import { CallQueue, type RpcLimits, type RpcThreads, ThreadCall } from './thread-call.ts';

export interface RpcServiceOptions {
  readonly methods: ReadonlyMap<string, Method>;
  /** Answers `rpc.discover`. */
  readonly describe: () => unknown;
  readonly threads: RpcThreads;
  readonly limits: RpcLimits & { readonly maxBatch: number };
  readonly hooks: RpcHooks;
  readonly reporting: Reporting;
}

const noHooks: RpcHooks = { beforeCall: undefined, afterCall: undefined, onError: () => {} };

export class RpcService {
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #maxBatch: number;
  readonly #reporting: Reporting;
  readonly #tools: CallTools;
  readonly #hasHooks: boolean;
  readonly #discover: Method;

  constructor({ methods, describe, threads, limits, hooks, reporting }: RpcServiceOptions) {
    this.#methods = methods;
    this.#maxBatch = limits.maxBatch;
    this.#reporting = reporting;
    this.#tools = { hooks, threads, queue: new CallQueue(threads, limits) };
    this.#hasHooks = hooks.beforeCall !== undefined || hooks.afterCall !== undefined;
    this.#discover = { name: 'rpc.discover', run: describe, timeout: 0 };
  }

  /** `onReply` is called once, perhaps at once, unless the exchange is cancelled. */
  answer(body: Buffer, request: IncomingMessage | undefined, onReply: (reply: Reply) => void): Exchange {
    const value = parse(body);
    const origin = { request, trace: request ? traceOfRequest(request.headers) : activeTrace() };
    if (Array.isArray(value)) return this.#answerBatch(value, origin, onReply);
    const exchange = new Exchange(onReply);
    if (value === unreadable) this.#refuse(exchange, 0, { error: parseError, id: null });
    else this.#begin(exchange, 0, value, body, origin);
    return exchange;
  }

  #answerBatch(batch: readonly unknown[], origin: CallOrigin, onReply: (reply: Reply) => void): Exchange {
    const excess = batch.length > this.#maxBatch;
    if (batch.length === 0 || excess) {
      const reason = excess ? `a batch may have ${this.#maxBatch} calls, not ${batch.length}` : undefined;
      const exchange = new Exchange(onReply);
      this.#refuse(exchange, 0, { error: invalidRequest(reason), id: null });
      return exchange;
    }
    const exchange = new Exchange(onReply, batch.length);
    for (const [place, value] of batch.entries()) this.#begin(exchange, place, value, undefined, origin);
    return exchange;
  }

  /** `body`: where the value is all of it. */
  #begin(
    exchange: Exchange,
    place: number,
    value: unknown,
    body: Buffer | undefined,
    origin: CallOrigin,
  ): void {
    const message = readMessage(value);
    if ('error' in message) {
      this.#refuse(exchange, place, message);
      return;
    }
    const method = message.method === 'rpc.discover' ? this.#discover : this.#methods.get(message.method);
    if (!method) {
      this.#refuse(exchange, place, { error: methodNotFound, id: message.id });
      return;
    }
    const text = body ?? write(value);
    if (text) this.#start(exchange, place, method, message, text, origin);
    else
      this.#refuse(exchange, place, { error: invalidRequest('nested too deeply'), id: message.id ?? null });
  }

  /** What is no call of a method that there is. */
  #refuse(
    exchange: Exchange,
    place: number,
    { error, id }: { readonly error: RpcErrorObject; readonly id: RpcId | undefined },
  ): void {
    this.#reporting.count(unknownMethod, String(error.code));
    if (id === undefined) exchange.put(place, undefined);
    else exchange.putError(place, { error, id });
  }

  #start(
    exchange: Exchange,
    place: number,
    method: Method,
    message: CallMessage,
    text: Buffer,
    origin: CallOrigin,
  ): void {
    const slot = new Slot(exchange, place, message, this.#reporting);
    if (!rpcChannel.hasSubscribers) {
      this.#run(exchange, method, message, text, origin, slot);
      return;
    }
    const { id } = message;
    traceUntilEnd(rpcChannel, { method: method.name, id, request: origin.request }, end => {
      slot.onOver = end;
      const cancel = () => end(new DOMException('the client has left', 'AbortError'));
      if (id !== undefined) exchange.add({ cancel });
      this.#run(exchange, method, message, text, origin, slot);
    });
  }

  #run(
    exchange: Exchange,
    method: Method,
    message: CallMessage,
    text: Buffer,
    origin: CallOrigin,
    slot: Slot,
  ): void {
    const { queue, threads } = this.#tools;
    const isBare = !this.#hasHooks || method === this.#discover;
    if (isBare && 'task' in method) {
      const call = new ThreadCall(method.task, text, origin.trace, slot, threads);
      if (message.id !== undefined) exchange.add(call);
      queue.add(call);
      return;
    }
    const tools = isBare ? { ...this.#tools, hooks: noHooks } : this.#tools;
    const call = new OwnCall(method, message, slot, origin, tools);
    if (message.id !== undefined) exchange.add(call);
    // A span that is active here stays what it is, for the method to add to.
    if (activeTrace() === noTrace) void withinTrace(origin.trace, () => call.run(text));
    else void call.run(text);
  }
}

/** Undefined where it is nested too deeply for that. */
function write(value: unknown): Buffer | undefined {
  try {
    return Buffer.from(JSON.stringify(value));
  } catch {
    return undefined;
  }
}

const unreadable = Symbol('unreadable');

function parse(body: Buffer): unknown {
  try {
    // Other bytes would turn into signs that nobody has sent.
    if (isUtf8(body)) return JSON.parse(body.toString());
  } catch {
    // It is no JSON, or longer than a text can be.
  }
  return unreadable;
}
