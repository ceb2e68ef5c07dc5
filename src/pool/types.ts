/** The methods of a pool that run tasks, and their options. */

import type { Transferable } from 'node:worker_threads';
import type {
  StreamItem,
  StreamName,
  TaskName,
  TaskPayload,
  TaskResult,
  UntypedModule,
} from './task-types.ts';

export type * from './task-types.ts';

/** Of one task. */
interface TaskOptions {
  /** Name of an exported function of the task module. Default: `default`, its default export. */
  readonly name?: string | undefined;
  /**
   * Aborting takes a waiting task out of the queue, and aborts the `signal` of a running one, whose thread is ended if
   * the task does not end within `abortGrace`.
   */
  readonly signal?: AbortSignal | undefined;
  /** Longest run, ms; it does not count the wait. Default: `taskTimeout`; 0: no limit. */
  readonly timeout?: number | undefined;
  /** Longest wait before the run, ms. Default: `queueTimeout`; 0: no limit. */
  readonly queueTimeout?: number | undefined;
  /** Of the tasks that wait, the highest goes first; one that waits gains with time. Default: 0. */
  readonly priority?: number | undefined;
}

/** Of a task that may be run again. */
interface RepeatableOptions extends TaskOptions {
  /** How often the task is run again when its worker process or thread ended under it. Default: the pool's. */
  readonly retries?: number | undefined;
}

export interface RunOptions extends RepeatableOptions {
  /**
   * Another module, whose function `name` is run: a path, which counts from the current directory, or a `file:` URL.
   * Default: the pool's.
   */
  readonly filename?: string | URL | undefined;
  /** Accepted, since Piscina has it, and without effect: values are copied between processes. */
  readonly transferList?: readonly Transferable[] | undefined;
}

export interface MapOptions extends RepeatableOptions {
  /** Tasks that are in hand at a time. Default: 64, or four times what all threads run at a time if that is more. */
  readonly concurrency?: number | undefined;
  /** Whether results come in the order of the items, or as they are there. Default: true. */
  readonly ordered?: boolean | undefined;
}

export interface StreamOptions extends TaskOptions {
  /** Items that may be on their way to the reader before the task has to wait, at least 1. Default: 16. */
  readonly highWaterMark?: number | undefined;
}

export type BroadcastOptions = Pick<TaskOptions, 'name' | 'signal' | 'timeout'>;

/** The methods of a pool whose task module has the type `Module`, `typeof import('./tasks.ts')`. */
export interface TaskPoolApi<Module = UntypedModule> {
  /**
   * Runs an exported function of the task module on a thread. Payload and result are structured clones.
   *
   * Rejects with the task's own error; `TaskTimeoutError` and `QueueTimeoutError` beyond `timeout` and `queueTimeout`;
   * `TaskAbortError`; `QueueFullError` beyond `maxQueue`; `WorkerCrashError` and `ThreadExitError` when the process or
   * the thread ended under it; `UnknownTaskError`; `DataCloneError` for a value that cannot be cloned;
   * `PoolClosedError`; `PoolFailedError`.
   */
  run(payload: unknown, options: RunOptions & OtherModule): Promise<unknown>;
  run(...args: DefaultArguments<Module>): Promise<TaskResult<Module, 'default'>>;
  run<Name extends string>(
    payload: TaskPayload<Module, Name>,
    options: OwnOptions & Named<TaskName<Module>, Name>,
  ): Promise<TaskResult<Module, Name>>;

  /**
   * Runs a task for each item, several at a time. Items are taken as there is room for them; who stops reading aborts
   * what runs.
   *
   * Throws what `run()` rejects with, and what the items throw; then no further item is taken.
   */
  map<Name extends string | undefined = undefined>(
    items: Items<TaskPayload<Module, Called<Name>>>,
    ...options: Options<TaskName<Module>, Name, MapOptions>
  ): AsyncGenerator<TaskResult<Module, Called<Name>>, void, undefined>;

  /**
   * Runs a generator and gives what it yields. A slow reader makes it wait; who stops reading ends it.
   *
   * Throws what `run()` rejects with.
   */
  stream<Name extends string | undefined = undefined>(
    payload: TaskPayload<Module, Called<Name>>,
    ...options: Options<StreamName<Module>, Name, StreamOptions>
  ): AsyncGenerator<StreamItem<Module, Called<Name>>, void, undefined>;

  /**
   * Runs a task once on each thread that there is, and gives one result per thread, in no order.
   *
   * Rejects with what `run()` rejects with, for the first that fails.
   */
  broadcast<Name extends string | undefined = undefined>(
    payload: TaskPayload<Module, Called<Name>>,
    ...options: Options<TaskName<Module>, Name, BroadcastOptions>
  ): Promise<TaskResult<Module, Called<Name>>[]>;
}

type OtherModule = { readonly filename: string | URL };

type OwnOptions = Omit<RunOptions, 'name' | 'filename'>;

type Items<T> = Iterable<T> | AsyncIterable<T>;

/** Names the function. As a constraint of `Name`, the compiler would tell of the payload instead of a wrong name. */
type Named<Known, Name> = { readonly name: Name extends Known ? Name : Known };

/** The function that is called where none is named. */
type Called<Name> = Name extends undefined ? 'default' : Name;

/** The name may be left out where there is a default export of the kind. */
type Options<Known, Name, All> = 'default' extends Known
  ? [options?: Omit<All, 'name'> & Partial<Named<Known, Name>>]
  : [options: Omit<All, 'name'> & Named<Known, Name>];

/** Without a default export there are none that fit. */
type DefaultArguments<Module> =
  'default' extends TaskName<Module>
    ? undefined extends TaskPayload<Module, 'default'>
      ? [payload?: TaskPayload<Module, 'default'>, options?: DefaultOptions]
      : [payload: TaskPayload<Module, 'default'>, options?: DefaultOptions]
    : [payload: never, options: never];

type DefaultOptions = OwnOptions & Partial<Named<'default', 'default'>>;
