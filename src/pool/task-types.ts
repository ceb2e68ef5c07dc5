/** What the type of a task module, `typeof import('./tasks.ts')`, says of its tasks. */

import type { TaskContext } from '../worker/task-module.ts';

/** A module of which nothing is known: any name, payload and result. */
export interface UntypedModule {
  readonly [name: string]: unknown;
}

/**
 * Names of the functions that `run()`, `map()` and `broadcast()` can call; classes and generators are none, and neither is what
 * takes a second parameter that is no `TaskContext`.
 */
export type TaskName<M> = NamesOf<M, 'task'>;

/** The first parameter of a task; `undefined` where it has none. */
export type TaskPayload<M, Name> = PayloadOf<ExportOf<M, Name>>;

/** What a task returns, awaited. */
export type TaskResult<M, Name> = ResultOf<ExportOf<M, Name>>;

/**
 * Names of the functions that `stream()` can call: they return, or resolve to, an async iterable or an iterator, as a
 * generator is. What a `run()` can return as a whole, such as an array, a `Map` or a text, is no stream.
 */
export type StreamName<M> = NamesOf<M, 'stream'>;

/** What a generator yields, awaited. */
export type StreamItem<M, Name> = ItemOf<ResultOf<ExportOf<M, Name>>>;

type IsAny<T> = 0 extends 1 & T ? true : false;

type IsUntyped<M> = string extends keyof M ? true : false;

type AnyFunction = (...args: never[]) => unknown;
type AnyClass = abstract new (...args: never[]) => unknown;

/** Can be called with a payload and a context: a function of two numbers cannot. */
type Callable = (payload: never, context: TaskContext) => unknown;

/** The exports, and those of a default-exported object, as in `module.exports = { a, b }`. */
type ExportsOf<M> = M extends { readonly default: infer D extends object }
  ? D extends AnyFunction | AnyClass
    ? M
    : M & Omit<D, keyof M>
  : M;

type ExportOf<M, Name> = Name extends keyof ExportsOf<M> ? ExportsOf<M>[Name] : unknown;

type NamesOf<M, Kind extends 'task' | 'stream'> =
  IsUntyped<M> extends true
    ? string
    : {
        [Name in keyof ExportsOf<M> & string]: Kind extends KindOf<ExportsOf<M>[Name]> ? Name : never;
      }[keyof ExportsOf<M> & string];

type KindOf<F> = F extends AnyClass
  ? 'none'
  : F extends Callable
    ? IsAny<ResultOf<F>> extends true
      ? 'task' | 'stream'
      : IsStream<ResultOf<F>> extends true
        ? 'stream'
        : 'task'
    : 'none';

type PayloadOf<F> = F extends (...args: infer Arguments) => unknown
  ? Arguments extends readonly []
    ? undefined
    : Arguments[0]
  : unknown;

type ResultOf<F> = F extends (...args: never[]) => infer Result ? Awaited<Result> : unknown;

/** What could not be sent as a whole. `Iterable` itself may be anything: what is written so is meant so. */
type IsStream<T> = [T] extends [never]
  ? false
  : [T] extends [AsyncIterable<unknown> | (Iterator<unknown, unknown, never> & Iterable<unknown>)]
    ? true
    : [T] extends [Iterable<infer Item>]
      ? Iterable<Item> extends T
        ? true
        : false
      : false;

type ItemOf<T> = T extends AsyncIterable<infer Item> | Iterable<infer Item> ? Awaited<Item> : unknown;
