/** What runs in each thread of the pool: loads the task module once, then runs the tasks that it is given. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { getEnvironmentData, MessageChannel, parentPort, threadId } from 'node:worker_threads';
import type { ModuleSource } from '../channel/control.ts';
import { encodeThrown } from '../channel/error-value.ts';
import { unwrapMoved } from '../channel/moved.ts';
import { Status } from '../channel/records.ts';
import { type EncodedTask, payloadOf, type TaskCall } from '../channel/tasks.ts';
import { readValue } from '../channel/values.ts';
import { taskRunChannel } from '../diagnostics.ts';
import { isPromise } from '../promise.ts';
import { noTrace } from '../trace-context.ts';
import { BatchOutput } from './batch-output.ts';
import { BatchSource } from './batch-source.ts';
import { answerJob } from './job-answer.ts';
import { clock, LaneMemory } from './lane-memory.ts';
import { answerCall } from './rpc-answer.ts';
import { RunningTask } from './running-task.ts';
import { loadTaskModule, type TaskFunction, type TaskModule } from './task-module.ts';
import {
  type Batch,
  type HostMessage,
  type LocalCall,
  type LocalReply,
  setupKey,
  type ThreadSetup,
} from './thread-protocol.ts';

const setup = getEnvironmentData(setupKey) as unknown as ThreadSetup;
const lanes = setup.lanes.map(shared => new LaneMemory(shared));
/** Tasks that wait for something, by id. The others hear nothing before they end. */
const waiting = new Map<number, RunningTask>();
/** By path, what `filename` has named. */
const otherModules = new Map<string, Promise<TaskModule>>();
const host = new MessageChannel();
/** How long a batch may keep the event loop of its thread from turning, unless a single task does, ms. */
const longestTurn = 10;

let loaded: TaskModule | undefined;

/** Piscina awaits its handler before it gives the thread a task, so the module is loaded before the first. */
export default load().then(module => {
  loaded = module;
  return (work: Batch | LocalCall) => ('call' in work ? runLocal(work) : runBatch(work));
});

async function load(): Promise<TaskModule | undefined> {
  try {
    const module = await loadTaskModule(setup.source);
    host.port1.on('message', onHostMessage);
    // It must not keep a thread alive that Piscina lets go.
    host.port1.unref();
    parentPort?.postMessage({ type: 'loaded', threadId, port: host.port2 }, [host.port2]);
    return module;
  } catch (error) {
    // Thrown, it would make Piscina import everything a second time, and hide where it came from.
    const { reportError } = await import('./error-report.ts');
    parentPort?.postMessage({ type: 'load-failed', error: reportError(error) });
    return undefined;
  }
}

/** Returns how many messages with records it has sent. */
async function runBatch(batch: Batch): Promise<number> {
  const { lane } = batch;
  const memory = lanes[lane] as LaneMemory;
  memory.enter(threadId);
  let now = clock();
  let turnedAt = now;
  const output = new BatchOutput(lane, memory, now);
  const source = new BatchSource(batch, memory, setup.mayLinger, () => output.tell());
  let isWatched = taskRunChannel.hasSubscribers;
  for (let place = 0; ; place++) {
    const task = source.next();
    if (source.hasSlept) now = clock();
    if (!task || !memory.begin(place, now)) return output.messages;
    output.tellIfDue(now, task.isAhead);
    const begun = now;
    let isDone = false;
    const running = new RunningTask(task.id, task.call, task.trace, memory, place);
    try {
      const run = functionOf(task.call) ?? (await loadFunction(task.call));
      let result =
        isWatched || task.trace !== noTrace
          ? beginObserved(task, running, run, output)
          : begin(task, running, run, output);
      if (isPromise(result)) result = await whileWaiting(task.id, running, result);
      now = clock();
      isDone = output.add(task, Status.done, now - begun, result);
    } catch (error) {
      now = clock();
      if (error instanceof NoSuchTask) output.add(task, Status.unknown, now - begun, error.names);
      else output.add(task, Status.thrown, now - begun, encodeThrown(error));
    }
    memory.counts.ended(isDone, memory.abortReason(place), begun - task.arrival.at, now - begun);
    memory.end();
    if (now - turnedAt < longestTurn) continue;
    // A batch may go on for as long as tasks join it: messages and the tasks' own timers have their turn in between.
    await nextTurn();
    turnedAt = now = clock();
    isWatched = taskRunChannel.hasSubscribers;
  }
}

async function runLocal({ lane, id, call, payload, arrivedAt, trace }: LocalCall): Promise<LocalReply> {
  const memory = lanes[lane] as LaneMemory;
  const begun = clock();
  memory.enter(threadId);
  // Taken back before it began: nobody waits for a reply.
  if (!memory.begin(0, begun)) return { result: undefined };
  const reply = await replyTo(id, call, payload, new RunningTask(id, call, trace, memory));
  memory.counts.ended('result' in reply, memory.abortReason(0), begun - arrivedAt, clock() - begun);
  memory.end();
  if ('result' in reply && !isPlain(reply.result)) {
    setImmediate(() => parentPort?.postMessage({ type: 'replied', lane, id }));
  }
  return reply;
}

async function replyTo(
  id: number,
  call: TaskCall,
  payload: unknown,
  running: RunningTask,
): Promise<LocalReply> {
  try {
    const run = functionOf(call) ?? (await loadFunction(call));
    let result = running.observe(() => run(payload, running));
    if (isPromise(result)) result = await whileWaiting(id, running, result);
    result = unwrapMoved(result);
    // Here it fails its own task; in Piscina's hands it would end the thread, and tell the caller nothing on Node 20.
    if (!isPlain(result)) structuredClone(result);
    return { result };
  } catch (error) {
    if (error instanceof NoSuchTask) return { unknown: error.names };
    return { thrown: encodeThrown(error) };
  }
}

/** Returns its result, or a promise of it. */
function begin(task: EncodedTask, running: RunningTask, run: TaskFunction, output: BatchOutput): unknown {
  switch (task.call.kind) {
    case 'stream':
      return sendItems(task, running, run, output);
    case 'rpc':
      return answerCall(task, run, running);
    case 'job':
      return answerJob(task, run, running);
    default:
      return run(payloadOf(task), running);
  }
}

/** In a function of its own: what a closure needs is slower to get at, for all tasks of a batch. */
function beginObserved(
  task: EncodedTask,
  running: RunningTask,
  run: TaskFunction,
  output: BatchOutput,
): unknown {
  return running.observe(() => begin(task, running, run, output));
}

/** The task can be reached by messages from the host meanwhile. */
async function whileWaiting(
  id: number,
  running: RunningTask,
  result: PromiseLike<unknown>,
): Promise<unknown> {
  waiting.set(id, running);
  try {
    return await result;
  } finally {
    waiting.delete(id);
  }
}

/** Runs a generator as far as its reader takes items; what it returns is nobody's. */
async function sendItems(
  task: EncodedTask,
  running: RunningTask,
  run: TaskFunction,
  output: BatchOutput,
): Promise<void> {
  const items = await run(payloadOf(task), running);
  if (!isIterable(items)) throw new TypeError(`task ${task.call.name} is no generator: call it with run()`);
  for await (const item of items) {
    await running.takeCredit();
    // Ends the generator as well: its `finally` blocks run.
    if (running.isAborted) break;
    output.addItem(task.id, item);
  }
}

/** Undefined for one that a first call has to load. */
function functionOf(call: TaskCall): TaskFunction | undefined {
  return call.module ? undefined : loaded?.tasks.get(call.name);
}

async function loadFunction({ name, module: source }: TaskCall): Promise<TaskFunction> {
  const module = source ? await loadOther(source) : loaded;
  const run = module?.tasks.get(name);
  if (!run) throw new NoSuchTask([...(module?.tasks.keys() ?? [])]);
  return run;
}

function loadOther(source: ModuleSource): Promise<TaskModule> {
  const known = otherModules.get(source.entry);
  if (known) return known;
  const module = loadTaskModule(source);
  otherModules.set(source.entry, module);
  // A later call may find it mended.
  module.catch(() => otherModules.delete(source.entry));
  return module;
}

class NoSuchTask extends Error {
  readonly names: readonly string[];

  constructor(names: readonly string[]) {
    super();
    this.names = names;
  }
}

async function onHostMessage(message: HostMessage): Promise<void> {
  switch (message.type) {
    case 'abort':
      waiting.get(message.id)?.abort(message.reason);
      break;
    case 'credit':
      waiting.get(message.id)?.addCredit(message.items);
      break;
    case 'broadcast': {
      const { id, call, trace, payload } = message;
      const running = new RunningTask(id, call, trace);
      const reply = await replyTo(id, call, readValue(Buffer.from(payload)), running);
      parentPort?.postMessage({ type: 'broadcast', id, threadId, reply });
      parentPort?.postMessage({ type: 'broadcast-replied', id, threadId });
      break;
    }
  }
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return (
    typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}

/** Whether it can be sent for certain, and be read. */
function isPlain(value: unknown): boolean {
  return (Object(value) !== value && typeof value !== 'symbol') || ArrayBuffer.isView(value);
}
