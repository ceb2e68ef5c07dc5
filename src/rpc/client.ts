/** `createClient()`: calls a JSON-RPC service as if its tasks were functions of this program. */

import { RpcClosedError, RpcConnectionError } from '../errors.ts';
import type { UntypedModule } from '../pool/task-types.ts';
import { settleCalls } from './client-answers.ts';
import { ClientCall } from './client-call.ts';
import { type Posted, Transport } from './client-transport.ts';
import type { RpcCallOptions, RpcClient, RpcClientApi } from './client-types.ts';

export interface RpcClientOptions {
  /** The server's `rpc_token`. Default: none. */
  readonly token?: string | undefined;
  /** Longest time until an answer is there, ms. Default: 0, no limit. */
  readonly timeout?: number | undefined;
  /** Calls that are made in one turn of the event loop travel together, up to this number. Default: 100; 1: each alone. */
  readonly maxBatch?: number | undefined;
  /** Connections that are open at a time; further requests wait for one. Default: 8. */
  readonly connections?: number | undefined;
  /** Further headers of each request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const defaults = { timeout: 0, maxBatch: 100, connections: 8 };
/** A batch of more characters is sent in several parts: servers limit what a body may have. */
const largestBody = 256 * 1024;

/**
 * A client of a service, typed by its task module: `createClient<typeof import('./tasks/math.ts')>('http://127.0.0.1:8080')`.
 * Its methods are those of the service. Nothing is connected before the first call, and idle connections keep no process
 * alive.
 *
 * @param server `http://HOST:PORT`, `https://HOST` or `unix:PATH`
 * @throws {TypeError} for an address, and {RangeError} for an option, that is none
 */
export function createClient<Module = UntypedModule>(
  server: string | URL,
  options: RpcClientOptions = {},
): RpcClient<Module> {
  const client = new Client(String(server), options);
  const methods = new Map<string, (payload?: unknown, options?: RpcCallOptions) => Promise<unknown>>();
  // The module's type is known to the compiler alone.
  return new Proxy(client, {
    get(_, name) {
      if (typeof name === 'symbol' || name in Client.prototype) {
        const member = Reflect.get(client, name);
        return typeof member === 'function' ? member.bind(client) : member;
      }
      // Or `await` would call it.
      if (name === 'then') return undefined;
      const known = methods.get(name);
      if (known) return known;
      const method = (payload?: unknown, options?: RpcCallOptions) => client.call(name, payload, options);
      methods.set(name, method);
      return method;
    },
  }) as unknown as RpcClient<Module>;
}

/** Calls that travel in one request. */
interface Sent {
  readonly calls: readonly ClientCall[];
  readonly posted: Posted;
}

class Client implements Pick<RpcClientApi, 'close'> {
  readonly #transport: Transport;
  readonly #timeout: number;
  readonly #maxBatch: number;
  readonly #sent = new Set<Sent>();
  /** Calls of this turn of the event loop. */
  #turn: ClientCall[] = [];
  #lastId = 0;
  #isClosed = false;
  #whenIdle: (() => void) | undefined;

  constructor(server: string, options: RpcClientOptions) {
    const { token, headers } = options;
    const {
      timeout = defaults.timeout,
      maxBatch = defaults.maxBatch,
      connections = defaults.connections,
    } = options;
    checkCount('maxBatch', maxBatch);
    checkCount('connections', connections);
    this.#timeout = checkTimeout(timeout);
    this.#maxBatch = maxBatch;
    this.#transport = new Transport(server, {
      connections,
      headers: { ...headers, ...(token !== undefined && { Authorization: `Bearer ${token}` }) },
    });
  }

  async call(method: string, payload?: unknown, options: RpcCallOptions = {}): Promise<unknown> {
    return this.#settled(this.#add(method, payload, ++this.#lastId, options));
  }

  async notify(method: string, payload?: unknown, options: RpcCallOptions = {}): Promise<void> {
    await this.#settled(this.#add(method, payload, undefined, options));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#turn.length + this.#sent.size > 0) {
      await new Promise<void>(resolve => {
        this.#whenIdle = resolve;
      });
    }
    await this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** An error shows where the call was made, not where its answer was read. */
  async #settled({ result }: ClientCall): Promise<unknown> {
    try {
      return await result;
    } catch (error) {
      Error.captureStackTrace(error as Error);
      throw error;
    }
  }

  #add(
    method: string,
    payload: unknown,
    id: number | undefined,
    { signal, timeout = this.#timeout }: RpcCallOptions,
  ): ClientCall {
    if (this.#isClosed) throw new RpcClosedError();
    const call = new ClientCall(method, payload, id, {
      signal,
      timeout: checkTimeout(timeout),
      onGivenUp: () => this.#endUnwanted(),
    });
    if (this.#turn.push(call) === 1) setImmediate(() => this.#send());
    return call;
  }

  #send(): void {
    const calls = this.#turn.filter(({ isOver }) => !isOver);
    this.#turn = [];
    for (const part of split(calls, this.#maxBatch)) void this.#post(part);
    this.#checkIdle();
  }

  async #post(calls: readonly ClientCall[]): Promise<void> {
    const texts = calls.map(({ text }) => text);
    const posted = this.#transport.post(texts.length === 1 ? (texts[0] as string) : `[${texts.join(',')}]`);
    const sent = { calls, posted };
    this.#sent.add(sent);
    const { server } = this.#transport;
    try {
      settleCalls(calls, await posted.answer, server);
    } catch (error) {
      for (const call of calls) call.reject(new RpcConnectionError(server, error as Error));
    }
    this.#sent.delete(sent);
    this.#checkIdle();
  }

  /** Requests of which nobody waits for any call. */
  #endUnwanted(): void {
    for (const { calls, posted } of this.#sent) if (calls.every(({ isOver }) => isOver)) posted.destroy();
  }

  #checkIdle(): void {
    if (this.#turn.length + this.#sent.size === 0) this.#whenIdle?.();
  }
}

/** Into requests that a server will take. */
function split(calls: readonly ClientCall[], maxBatch: number): ClientCall[][] {
  const parts: ClientCall[][] = [];
  let room = 0;
  for (const call of calls) {
    room -= call.text.length;
    const last = parts.at(-1);
    if (last && last.length < maxBatch && room >= 0) {
      last.push(call);
    } else {
      parts.push([call]);
      room = largestBody - call.text.length;
    }
  }
  return parts;
}

function checkCount(name: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1))
    throw new RangeError(`${name} must be an integer of at least 1`);
}

function checkTimeout(value: number): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw new RangeError('timeout must be a number of milliseconds of at least 0');
}
