/** Threads of this process that run tasks of a channel, and what comes back as records. */

import type { TestContext } from 'node:test';
import { inspect } from 'node:util';
// Compiled, as threads are started from JavaScript.
import { ByteWriter } from '../../dist/channel/bytes.js';
import { decodeThrown, type Thrown } from '../../dist/channel/error-value.js';
import {
  forEachRecord,
  isFinal,
  Status,
  type TaskRecord,
  valueOfRecord,
} from '../../dist/channel/records.js';
import { type EncodedTask, type TaskCall, TaskReader, TaskWriter } from '../../dist/channel/tasks.js';
import { Threads, type ThreadsConfig } from '../../dist/worker/threads.js';
import { cleanUp } from '../helpers/cleanup.ts';
import { within } from '../helpers/pool.ts';
import { until } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

/** Tasks see the same memory as their test: `flags` say what may end, `counts` how often something has begun. */
const tasks = `
import { setTimeout as delay } from 'node:timers/promises';
import { threadId, workerData } from 'node:worker_threads';

const { flags, counts } = workerData;
const count = n => Atomics.add(counts, n, 1);
const aborted = signal => new Promise(resolve => signal.addEventListener('abort', resolve));

export default value => value;
export const where = () => threadId;
export const fail = message => { throw new RangeError(message); };
export const counted = n => { count(n); return n; };
/** Blocks its thread until the flag is set. */
export const block = n => { count(n); Atomics.wait(flags, n, 0); return threadId; };
/** Awaits the flag. */
export const wait = async n => {
  count(n);
  await Atomics.waitAsync(flags, n, 0).value;
  return threadId;
};
export const busy = ms => { for (const end = performance.now() + ms; performance.now() < end; ); };
export const spin = n => { count(n); for (;;); };
export const exit = code => process.exit(code);
export const size = ({ length }) => length;
export const bytes = n => Buffer.alloc(n, 7);
export const context = (_, { name, attempt, threadId: id }) => ({ name, attempt, isHere: id === threadId });
/** Ends when its signal is aborted, which it awaits. */
export const heed = async (n, { signal }) => {
  count(n);
  await aborted(signal);
  return { threadId, name: signal.reason.name, message: signal.reason.message };
};
/** The same, and never awaits. */
export const poll = (n, context) => {
  count(n);
  while (!context.signal.aborted);
  return { threadId, name: context.signal.reason.name };
};
/** Awaits, and does not care for its signal. */
export const ignore = n => { count(n); return new Promise(() => {}); };
`;

export type TaskSpec = Partial<Omit<TaskCall, 'window'>> & {
  readonly payload?: unknown;
  readonly isAhead?: boolean;
  readonly isLong?: boolean;
  readonly window?: number;
};

/** One record, its value decoded. */
export interface Outcome {
  readonly id: number;
  readonly status: keyof typeof Status;
  readonly value: unknown;
}

export interface ChannelOptions extends Partial<ThreadsConfig> {
  readonly workerData?: Record<string, unknown>;
  /** Tasks that are given back stay so; otherwise they are submitted again, as their sender does. */
  readonly keepsReturned?: boolean;
}

/** How long a test waits for a record before it fails, ms. */
const patience = 10_000;
const statuses = Object.keys(Status) as (keyof typeof Status)[];

/** Threads over the tasks above and `source`, closed when the test ends; all flags are set then. */
export async function startChannel(
  t: TestContext,
  source = '',
  options: ChannelOptions = {},
): Promise<Channel> {
  const task = createProject(t, { 'task.mjs': tasks + source }).path('task.mjs');
  const channel = new Channel(task, options);
  cleanUp(t, () => channel.close());
  const { threads } = channel;
  await threads.loaded;
  threads.taskNames = namesIn(tasks + source);
  return channel;
}

/** This thread cannot load the module: it has no `workerData`. */
function namesIn(source: string): string[] {
  return [...source.matchAll(/^export (?:async )?(?:const|function\*?) (\w+)/gm)]
    .map(([, name]) => name as string)
    .concat('default');
}

export class Channel {
  readonly threads: Threads;
  readonly source;
  /** All records, in the order in which they came. */
  readonly outcomes: Outcome[] = [];
  /** What was told of tasks that are over. */
  ended = 0;
  /** What a thread threw outside of a task, and threads that could not be replaced. */
  readonly errors: unknown[] = [];
  readonly #flags = new Int32Array(new SharedArrayBuffer(4 * 1024));
  readonly #counts = new Int32Array(new SharedArrayBuffer(4 * 16 * 1024));
  readonly #calls = new Map<string, TaskCall>();
  readonly #waiting = new Set<() => void>();
  readonly #tasks = new Map<number, EncodedTask>();
  readonly #keepsReturned: boolean;
  #lastId = 0;

  constructor(task: string, { workerData, keepsReturned = false, ...config }: ChannelOptions) {
    this.#keepsReturned = keepsReturned;
    this.source = { task, entry: task, loader: undefined };
    const standard: ThreadsConfig = {
      threads: 1,
      minThreads: undefined,
      idleTimeout: 0,
      concurrentTasksPerWorker: 1,
      abortGrace: 100,
      maxThreadMemory: 0,
      maxQueue: 0,
      taskTimeout: 0,
      queueTimeout: 0,
    };
    this.threads = new Threads(
      { ...standard, ...config },
      this.source,
      {
        onError: error => this.errors.push(error),
        onBroken: error => this.errors.push(error),
        onRecords: (bytes, blobs) => this.#onRecords(bytes, blobs),
        onEnded: count => {
          this.ended += count;
        },
      },
      { workerData: { flags: this.#flags, counts: this.#counts, ...workerData } },
    );
  }

  /** Submits one batch, as it comes from the channel, and returns the ids. */
  submit(...specs: readonly TaskSpec[]): number[] {
    const writer = new ByteWriter();
    const encoder = new TaskWriter(writer);
    const blobs: Uint8Array[] = [];
    const ids = specs.map(({ payload, isAhead = false, isLong = isAhead, ...call }) => {
      const flags = { isAhead, isLong };
      const memory = encoder.write(++this.#lastId, this.#callOf(call), payload, flags);
      // As they come from the channel: in memory of their own.
      blobs.push(...memory.map(blob => new Uint8Array(blob)));
      return this.#lastId;
    });
    const tasks = tasksIn(writer.take(), blobs);
    for (const task of tasks) this.#tasks.set(task.id, task);
    this.threads.submit(tasks);
    return ids;
  }

  /** Submits one task and waits for its last record. */
  async run(
    name: string,
    payload?: unknown,
    rest: Omit<TaskSpec, 'name' | 'payload'> = {},
  ): Promise<Outcome> {
    const [id] = this.submit({ name, payload, ...rest }) as [number];
    return this.final(id);
  }

  /** Its last record; waits for it. */
  async final(id: number): Promise<Outcome> {
    await this.#when(`task ${id} has ended`, () => this.finals(id).length > 0);
    return this.finals(id)[0] as Outcome;
  }

  /** The same of all of them. */
  async all(ids: readonly number[]): Promise<Outcome[]> {
    // One look at each record: there may be many thousands of them.
    const open = new Set(ids);
    let seen = 0;
    await this.#when(`${ids.length} tasks have ended`, () => {
      for (; seen < this.outcomes.length; seen++) {
        const { id, status } = this.outcomes[seen] as Outcome;
        if (isFinal(Status[status])) open.delete(id);
      }
      return open.size === 0;
    });
    const byId = new Map(
      this.outcomes.filter(({ status }) => isFinal(Status[status])).map(each => [each.id, each]),
    );
    return ids.map(id => byId.get(id) as Outcome);
  }

  /** The records of a task after which no other may come: exactly one, once it has ended. */
  finals(id: number): Outcome[] {
    return this.of(id).filter(({ status }) => isFinal(Status[status]));
  }

  of(id: number): Outcome[] {
    return this.outcomes.filter(outcome => outcome.id === id);
  }

  /** Values of the items that have come. */
  items(id: number): unknown[] {
    return this.of(id).flatMap(({ status, value }) => (status === 'item' ? [value] : []));
  }

  /** Waits until as many items have come. */
  async untilItems(id: number, count: number): Promise<void> {
    await this.#when(`${count} items of task ${id} have come`, () => this.items(id).length >= count);
  }

  /** How often a task has begun with this number. */
  begun(n: number): number {
    return Atomics.load(this.#counts, n);
  }

  /** Waits until tasks with these numbers have begun. */
  async untilBegun(...numbers: readonly number[]): Promise<void> {
    await until(`tasks ${numbers} have begun`, () => numbers.every(n => this.begun(n) > 0), patience);
  }

  /** Lets `block` and `wait` of this number end, now and later. */
  release(n: number): void {
    Atomics.store(this.#flags, n, 1);
    Atomics.notify(this.#flags, n);
  }

  async close(): Promise<void> {
    for (let n = 0; n < this.#flags.length; n++) this.release(n);
    // What a failed test has left.
    for (let id = 1; id <= this.#lastId; id++) if (this.finals(id).length === 0) this.threads.cancel(id);
    await within(patience, 'the threads are closed', this.threads.close());
  }

  /** One object for calls that are alike, as their sender has it. */
  #callOf({
    name = 'default',
    kind = 'run',
    timeout = 0,
    attempt = 1,
    window,
    module,
  }: Omit<TaskSpec, 'payload'>) {
    const call = { name, kind, timeout, attempt, window, module };
    const key = inspect(call);
    const known = this.#calls.get(key);
    if (known) return known;
    this.#calls.set(key, call);
    return call;
  }

  #onRecords(bytes: Uint8Array, blobs?: readonly Uint8Array[]): void {
    const returned: EncodedTask[] = [];
    const read = (record: TaskRecord) => {
      if (record.status === Status.returned && !this.#keepsReturned) {
        returned.push(this.#tasks.get(record.id) as EncodedTask);
        return;
      }
      const value = valueOfRecord(record);
      this.outcomes.push({
        id: record.id,
        status: statuses.find(name => Status[name] === record.status) as keyof typeof Status,
        value: record.status === Status.thrown ? decodeThrown(value as Thrown) : value,
      });
    };
    forEachRecord(Buffer.from(bytes), read, blobs);
    if (returned.length > 0) setImmediate(() => this.threads.submit(returned));
    for (const check of [...this.#waiting]) check();
  }

  #when(what: string, condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        action();
      };
      const check = () => condition() && settle(resolve);
      const fail = () =>
        settle(() => reject(new Error(`waited in vain until ${what}: ${inspect(this.outcomes.slice(-20))}`)));
      const timer = setTimeout(fail, patience);
      this.#waiting.add(check);
      check();
    });
  }
}

function tasksIn(bytes: Buffer, blobs: readonly Uint8Array[]): EncodedTask[] {
  const reader = new TaskReader(bytes, blobs);
  const found: EncodedTask[] = [];
  for (let task = reader.next(); task; task = reader.next()) found.push(task);
  return found;
}
