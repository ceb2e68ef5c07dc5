/** The methods of a service, as its Worker names them. */

import type { IncomingMessage } from 'node:http';
import { types } from 'node:util';
import type { TaskCall } from '../channel/tasks.ts';
import { timeLimit } from '../channel/time-limit.ts';
import { TaskModuleError } from '../errors.ts';
import type { TaskFunction } from '../worker/task-module.ts';
import type { RpcId } from './protocol.ts';

/** One call, as hooks and functions of the main thread see it. */
export interface RpcCall {
  readonly method: string;
  /** What the method is called with: named parameters as an object; of positional ones the only one, or an array. */
  readonly params: unknown;
  /** Undefined: a notification. */
  readonly id: RpcId | undefined;
  /** The HTTP request that it came with; undefined where it came another way. */
  readonly request: IncomingMessage | undefined;
  /** Aborted when the client has left, or `task_timeout` is over. */
  readonly signal: AbortSignal;
}

/** What became of a call. */
export interface RpcOutcome {
  /** What was thrown; undefined where nothing was. */
  readonly error: unknown;
  /** As the client gets it, after its way through JSON; undefined where there is none. */
  readonly result: unknown;
  /** From the call's arrival to its end, its wait for a thread included, ms. */
  readonly duration: number;
}

/**
 * What runs when a method is called: the task of that name, on a thread, or a function, on the main thread. What takes
 * long belongs on a thread.
 */
export type RpcMethod = string | ((params: never, call: RpcCall) => unknown);

export type RpcMethods = Readonly<Record<string, RpcMethod>>;

type RpcFunction = (params: unknown, call: RpcCall) => unknown;

/** A method that can be called. */
export type Method =
  | { readonly name: string; readonly task: TaskCall; readonly source: TaskFunction }
  | { readonly name: string; readonly run: RpcFunction; readonly timeout: number };

/** Each task under its own name. Generators are left out: a response is one value. */
export function methodsOfTasks(tasks: ReadonlyMap<string, TaskFunction>): RpcMethods {
  const names = [...tasks].filter(([, task]) => !types.isGeneratorFunction(task)).map(([name]) => name);
  return Object.fromEntries(names.map(name => [name, name]));
}

/** Throws a `TaskModuleError` for a method that nobody could call. */
export function readMethods(
  methods: RpcMethods,
  tasks: ReadonlyMap<string, TaskFunction>,
  taskTimeout: number,
): Map<string, Method> {
  const timeout = timeLimit(taskTimeout);
  return new Map(
    Object.entries(methods).map(([name, method]): [string, Method] => {
      if (name.startsWith('rpc.')) {
        throw new TaskModuleError(`method ${name}: names that begin with "rpc." are JSON-RPC's own`);
      }
      if (typeof method === 'function') return [name, { name, run: method as RpcFunction, timeout }];
      const source = tasks.get(method);
      if (!source) {
        const known = [...tasks.keys()].join(', ') || 'none';
        throw new TaskModuleError(`method ${name}: there is no task ${method}; there are: ${known}`);
      }
      return [name, { name, task: { name: method, kind: 'rpc', timeout, attempt: 1 }, source }];
    }),
  );
}
