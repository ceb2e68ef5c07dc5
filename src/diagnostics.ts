/** What is published on `node:diagnostics_channel`. Where nobody subscribes it costs nothing. */

import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { withResolvers } from './promise.ts';

/** The message of `tracing:processhandler.task:*`: one call of `run()`, `stream()` or `broadcast()`, until it settles. */
export interface TaskTrace {
  readonly name: string;
  readonly payload: unknown;
  readonly kind: 'run' | 'stream' | 'broadcast';
  /** Of a pool's `run()` and `broadcast()`, with `asyncEnd`. */
  result?: unknown;
  /** With `error`. */
  error?: unknown;
}

/** The message of `tracing:processhandler.task.run:*`, published on threads: a task runs. */
export interface TaskRunTrace {
  readonly name: string;
  readonly attempt: number;
  readonly threadId: number;
  /** Of the trace that its caller is a part of. */
  readonly traceparent: string | undefined;
  result?: unknown;
  error?: unknown;
}

/** The message of `tracing:processhandler.rpc:*`, in a worker process: a JSON-RPC call, until its answer is there. */
export interface RpcTrace {
  readonly method: string;
  /** Undefined: a notification. */
  readonly id: string | number | null | undefined;
  /** Undefined where it came another way than by HTTP. */
  readonly request: IncomingMessage | undefined;
  error?: unknown;
}

/** The message of `processhandler:process:spawn` and `:ready`, in the process that starts worker processes. */
export interface ProcessMessage {
  /** The section, or the name of the pool. */
  readonly group: string;
  readonly index: number;
  readonly generation: number;
  /** Undefined where no process could be started. */
  readonly pid: number | undefined;
}

/** The message of `processhandler:process:exit`. */
export interface ProcessExitMessage extends ProcessMessage {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** `crash`, `signal`, `out-of-memory`, `killed`, `timeout`, `drained`, … */
  readonly kind: string;
  /** As the log says it: `exited with code 1`. */
  readonly reason: string;
  /** Whether something went wrong. */
  readonly failure: boolean;
}

export const taskChannel = tracingChannel<unknown, TaskTrace>('processhandler.task');
export const taskRunChannel = tracingChannel<unknown, TaskRunTrace>('processhandler.task.run');
export const rpcChannel = tracingChannel<unknown, RpcTrace>('processhandler.rpc');

export const processChannels = {
  spawn: channel('processhandler:process:spawn') as Channel<unknown, ProcessMessage>,
  ready: channel('processhandler:process:ready') as Channel<unknown, ProcessMessage>,
  exit: channel('processhandler:process:exit') as Channel<unknown, ProcessExitMessage>,
};

/** Ends what was begun, with what went wrong where something did. */
export type EndTrace = (error?: unknown) => void;

/** As `tracePromise()`, for what ends when somebody says so. */
export function traceUntilEnd<Message extends object, Result>(
  channel: TracingChannel<unknown, Message>,
  message: Message,
  begin: (end: EndTrace) => Result,
): Result {
  const { promise, resolve, reject } = withResolvers<void>();
  const results: Result[] = [];
  const end: EndTrace = error => (error === undefined ? resolve() : reject(error));
  const run = () => {
    results.push(begin(end));
    return promise;
  };
  // Whoever has begun it hears of its error another way.
  channel.tracePromise(run, message).catch(() => {});
  return results[0] as Result;
}
