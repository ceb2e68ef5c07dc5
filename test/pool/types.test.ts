/** Assertions about types: `tsc` checks them, and nothing of them is left at run time. */

import { test } from 'node:test';
import type { TaskContext, Worker } from '../../src/index.ts';
import type {
  StreamItem,
  StreamName,
  TaskName,
  TaskPayload,
  TaskResult,
  UntypedModule,
} from '../../src/pool/task-types.ts';
import type { TaskPoolApi } from '../../src/pool/types.ts';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles where `A` and `B` are the same type. */
function same<A, B>(..._difference: Equal<A, B> extends true ? [] : [A, B]): void {}

// What no test calls, since there is nothing to call.
function typesOnly(_: () => unknown): void {}

// biome-ignore format: one export per line
declare const exported: {
  fib(payload: { readonly n: number }): number;
  ping(): Promise<'pong'>;
  maybe(n?: number): string;
  withContext(n: number, context: TaskContext): Promise<number[]>;
  withSignal(n: number, context: { readonly signal: AbortSignal }): void;
  identity<T>(value: T): T;
  fails(n: number): never;
  // biome-ignore lint/suspicious/noExplicitAny: as JavaScript modules have it
  untyped(value: any): any;
  list(): readonly [1, 2];
  table(): Map<string, number>;
  text(): string;
  bytes(): Buffer;
  mixed(): number | AsyncGenerator<number>;

  counted(upTo: number): AsyncGenerator<number, 'end', undefined>;
  sync(): Generator<string>;
  later(): Promise<AsyncGenerator<bigint>>;
  promises(): AsyncIterable<Promise<number>>;
  iterable(): Iterable<Date>;
  nothing(): AsyncGenerator<never>;
  entries(): IterableIterator<[string, number]>;
  readable(): ReadableStream<Uint8Array>;

  add(a: number, b: number): number;
  readonly limit: number;
  readonly Thing: new () => object;
  readonly Kind: abstract new () => object;
};
type Exported = typeof exported;

interface WithDefault extends Pick<Exported, 'fib' | 'ping'> {
  default(when: Date): boolean;
}
interface OptionalDefault {
  default(n?: number): string;
}
interface GeneratorDefault {
  default(n: number): AsyncGenerator<number>;
}
interface WorkerDefault extends Pick<Exported, 'fib'> {
  readonly default: typeof Worker;
}
interface CommonJs {
  readonly default: Pick<Exported, 'fib' | 'counted' | 'limit'>;
}

declare const pool: TaskPoolApi<Exported>;
declare const withDefault: TaskPoolApi<WithDefault>;
declare const optionalDefault: TaskPoolApi<OptionalDefault>;
declare const generatorDefault: TaskPoolApi<GeneratorDefault>;
declare const untyped: TaskPoolApi;
declare const signal: AbortSignal | undefined;

test('the names of tasks are those of functions that take a payload and a context, and that are no generators', () => {
  same<
    TaskName<Exported>,
    | 'fib'
    | 'ping'
    | 'maybe'
    | 'withContext'
    | 'withSignal'
    | 'identity'
    | 'fails'
    | 'untyped'
    | 'list'
    | 'table'
    | 'text'
    | 'bytes'
    | 'mixed'
  >();
  same<TaskName<WithDefault>, 'fib' | 'ping' | 'default'>();
  same<TaskName<GeneratorDefault>, never>();
  same<TaskName<WorkerDefault>, 'fib'>();
  same<TaskName<CommonJs>, 'fib'>();
  same<TaskName<UntypedModule>, string>();
  same<TaskName<typeof import('../../tasks/jobexecute.ts')>, 'countPrimes'>();
});

test('the names of streams are those of functions that return what has to be iterated', () => {
  same<
    StreamName<Exported>,
    'untyped' | 'counted' | 'sync' | 'later' | 'promises' | 'iterable' | 'nothing' | 'entries' | 'readable'
  >();
  same<StreamName<GeneratorDefault>, 'default'>();
  same<StreamName<CommonJs>, 'counted'>();
  same<StreamName<UntypedModule>, string>();
});

test('a payload is the first parameter', () => {
  same<TaskPayload<Exported, 'fib'>, { readonly n: number }>();
  same<TaskPayload<Exported, 'ping'>, undefined>();
  same<TaskPayload<Exported, 'maybe'>, number | undefined>();
  same<TaskPayload<Exported, 'withContext'>, number>();
  same<TaskPayload<Exported, 'identity'>, unknown>();
  same<TaskPayload<Exported, 'untyped'>, Parameters<Exported['untyped']>[0]>();
  same<TaskPayload<Exported, 'counted'>, number>();
  same<TaskPayload<CommonJs, 'fib'>, { readonly n: number }>();
  same<TaskPayload<UntypedModule, 'any name'>, unknown>();
});

test('a result is what is returned, awaited', () => {
  same<TaskResult<Exported, 'fib'>, number>();
  same<TaskResult<Exported, 'ping'>, 'pong'>();
  same<TaskResult<Exported, 'fails'>, never>();
  same<TaskResult<Exported, 'untyped'>, ReturnType<Exported['untyped']>>();
  same<TaskResult<Exported, 'withContext'>, number[]>();
  same<TaskResult<UntypedModule, 'any name'>, unknown>();
});

test('an item is what is yielded, awaited', () => {
  same<StreamItem<Exported, 'counted'>, number>();
  same<StreamItem<Exported, 'sync'>, string>();
  same<StreamItem<Exported, 'later'>, bigint>();
  same<StreamItem<Exported, 'promises'>, number>();
  same<StreamItem<Exported, 'iterable'>, Date>();
  same<StreamItem<Exported, 'nothing'>, never>();
  same<StreamItem<Exported, 'entries'>, [string, number]>();
  same<StreamItem<Exported, 'readable'>, Uint8Array>();
  same<StreamItem<Exported, 'untyped'>, unknown>();
  same<StreamItem<UntypedModule, 'any name'>, unknown>();
});

test('run() is typed by name', () => {
  typesOnly(async () => {
    same<number, Awaited<ReturnType<typeof fib>>>();
    function fib() {
      return pool.run({ n: 40 }, { name: 'fib', signal, timeout: 1000, priority: 1, transferList: [] });
    }
    (await pool.run(undefined, { name: 'ping' })) satisfies 'pong';
    (await pool.run(undefined, { name: 'maybe' })) satisfies string;
    (await pool.run('any', { name: 'identity' })) satisfies unknown;

    // @ts-expect-error: no such task
    pool.run({ n: 40 }, { name: 'fibb' });
    // @ts-expect-error: a generator is called with stream()
    pool.run(3, { name: 'counted' });
    // @ts-expect-error: a second parameter that is no context
    pool.run(3, { name: 'add' });
    // @ts-expect-error: a class
    pool.run(3, { name: 'Thing' });
    // @ts-expect-error: another payload
    pool.run({ n: '40' }, { name: 'fib' });
    // @ts-expect-error: the task takes a payload
    pool.run(undefined, { name: 'fib' });
    // @ts-expect-error: the task takes no payload
    pool.run(3, { name: 'ping' });
    // @ts-expect-error: there is no default task, so one has to be named
    pool.run({ n: 40 });
    // @ts-expect-error: the same
    pool.run({ n: 40 }, {});
    // @ts-expect-error: a misspelt option
    pool.run({ n: 40 }, { name: 'fib', timeOut: 1000 });
    // @ts-expect-error: any text is no name
    pool.run({ n: 40 }, { name: 'fib' as string });
    // @ts-expect-error: the result is a number
    (await pool.run({ n: 40 }, { name: 'fib' })) satisfies string;
  });
});

test('run() without a name is the default export', () => {
  typesOnly(async () => {
    (await withDefault.run(new Date())) satisfies boolean;
    (await withDefault.run(new Date(), { signal })) satisfies boolean;
    (await withDefault.run(new Date(), { name: 'default' })) satisfies boolean;
    (await withDefault.run({ n: 1 }, { name: 'fib' })) satisfies number;
    (await optionalDefault.run()) satisfies string;
    (await optionalDefault.run(3, { timeout: 1 })) satisfies string;

    // @ts-expect-error: the default task takes a date
    withDefault.run({ n: 1 });
    // @ts-expect-error: it takes a payload
    withDefault.run();
    // @ts-expect-error: a generator is called with stream()
    generatorDefault.run(3);
  });
});

test('run() of another module, or of one that nothing is known of, is untyped', () => {
  typesOnly(async () => {
    same<Promise<unknown>, ReturnType<typeof other>>();
    function other() {
      return pool.run(
        { any: 'thing' },
        { filename: new URL('./other.ts', import.meta.url), name: 'some', retries: 1 },
      );
    }
    pool.run(3, { filename: './other.js' });
    untyped.run();
    untyped.run(3);
    (await untyped.run(3, { name: 'some', priority: -1 })) satisfies unknown;
    // @ts-expect-error: unknown is no number
    (await untyped.run(3, { name: 'some' })) satisfies number;
  });
});

test('map() takes payloads from any iterable and gives results', () => {
  typesOnly(async () => {
    for await (const n of pool.map([{ n: 1 }], { name: 'fib', concurrency: 64, ordered: false, signal })) {
      n satisfies number;
    }
    pool.map(new Set([1, undefined]), { name: 'maybe' });
    withDefault.map([new Date()]) satisfies AsyncGenerator<boolean>;
    pool.map(pool.stream(3, { name: 'counted' }), { name: 'maybe' }) satisfies AsyncGenerator<
      string,
      void,
      undefined
    >;
    untyped.map([1, 'two']) satisfies AsyncGenerator<unknown>;

    // @ts-expect-error: another payload
    pool.map([{ n: '1' }], { name: 'fib' });
    // @ts-expect-error: no iterable
    pool.map({ n: 1 }, { name: 'fib' });
    // @ts-expect-error: there is no default task
    pool.map([{ n: 1 }]);
    // @ts-expect-error: only run() has it
    pool.map([{ n: 1 }], { name: 'fib', filename: './other.js' });
  });
});

test('stream() calls generators only', () => {
  typesOnly(async () => {
    for await (const n of pool.stream(3, { name: 'counted', highWaterMark: 4, signal })) n satisfies number;
    pool.stream(undefined, { name: 'sync' }) satisfies AsyncGenerator<string, void, undefined>;
    generatorDefault.stream(3) satisfies AsyncGenerator<number>;
    untyped.stream(3, { name: 'some' }) satisfies AsyncGenerator<unknown>;

    // @ts-expect-error: a task is called with run()
    pool.stream({ n: 1 }, { name: 'fib' });
    // @ts-expect-error: what was read cannot be taken back, so that nothing is repeated
    pool.stream(3, { name: 'counted', retries: 1 });
    // @ts-expect-error: the default export is a task
    withDefault.stream(new Date());
  });
});

test('broadcast() gives a result per thread', () => {
  typesOnly(async () => {
    (await pool.broadcast(undefined, { name: 'ping', timeout: 1000, signal })) satisfies 'pong'[];
    (await withDefault.broadcast(new Date())) satisfies boolean[];
    (await untyped.broadcast({ warm: true }, { name: 'prepare' })) satisfies unknown[];

    // @ts-expect-error: every thread gets it at once
    pool.broadcast(undefined, { name: 'ping', priority: 1 });
    // @ts-expect-error: a generator is called with stream()
    pool.broadcast(3, { name: 'counted' });
  });
});
