/** What a client of a task module can call, from the type of the module. */

import type { TaskName, TaskPayload, TaskResult, UntypedModule } from '../pool/task-types.ts';

export interface RpcCallOptions {
  /** Aborting rejects the call; its request is given up when it has no other call, and then the server ends the task. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time until the answer is there, ms. Default: the client's; 0: no limit. */
  readonly timeout?: number | undefined;
}

/** The methods of a service whose task module has the type `Module`, and what a client has beside them. */
export type RpcClient<Module = UntypedModule> = RpcClientApi<Module> & {
  readonly [Name in Exclude<TaskName<Module>, keyof RpcClientApi | 'then'>]: RpcFunction<
    TaskPayload<Module, Name>,
    Json<TaskResult<Module, Name>>
  >;
};

export interface RpcClientApi<Module = UntypedModule> {
  /**
   * Calls a method by its name, also one that the module has not or that has the name of a member of the client.
   *
   * Rejects with the `RpcError` that it was answered; `RpcTimeoutError`; `TaskAbortError`; `RpcConnectionError`;
   * `RpcResponseError`; `RpcClosedError`; `TypeError` for a payload that cannot be written as JSON.
   */
  call<Name extends string>(
    method: Name,
    ...rest: CallArguments<TaskPayload<Module, Name>>
  ): Promise<Json<TaskResult<Module, Name>>>;

  /** Sends a notification: resolves when the server has it, whatever becomes of it. */
  notify<Name extends string>(method: Name, ...rest: CallArguments<TaskPayload<Module, Name>>): Promise<void>;

  /** Takes no further call; resolves when the open ones have ended, and the connections are closed. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type RpcFunction<Payload, Result> = (...rest: CallArguments<Payload>) => Promise<Result>;

type CallArguments<Payload> = undefined extends Payload
  ? [payload?: Payload, options?: RpcCallOptions]
  : [payload: Payload, options?: RpcCallOptions];

/** What becomes of a value on its way through JSON. */
export type Json<T> = 0 extends 1 & T
  ? T
  : unknown extends T
    ? T
    : T extends { toJSON(...args: never[]): infer Written }
      ? Json<Written>
      : T extends string | number | boolean | null
        ? T
        : // biome-ignore lint/suspicious/noConfusingVoidType: what a function without a result returns
          T extends undefined | void | symbol | AnyFunction
          ? null
          : T extends bigint
            ? never
            : T extends readonly unknown[]
              ? { [Index in keyof T]: Json<T[Index]> }
              : { [Key in keyof T as T[Key] extends AnyFunction | symbol ? never : Key]: JsonMember<T[Key]> };

type AnyFunction = (...args: never[]) => unknown;

/** Members that are undefined are left out. */
type JsonMember<T> = T extends undefined ? undefined : Json<T>;
