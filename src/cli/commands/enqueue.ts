/** `ph enqueue` */

import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobsOptions } from 'bullmq';
import { ExitCode, UsageError } from '../../errors.ts';
import { withQueue } from '../../queue/client.ts';
import { kept } from '../../queue/job-options.ts';
import type { AnyQueue } from '../../queue/server.ts';
import { sectionConfig } from '../section-config.ts';

export interface EnqueueFlags {
  readonly config?: string;
  readonly name: string;
  /** Ms. */
  readonly delay?: number;
  readonly priority?: number;
  readonly attempts?: number;
  readonly wait?: boolean;
}

type Outcome = { readonly id: string } & ({ readonly result: unknown } | { readonly error: string });

/** Jobs that go to the server together. */
const bulk = 500;
/** Wait before the second attempt, ms; it doubles. */
const retryDelay = 1000;
/** How often results are asked for at first, and at last; ms. */
const pace = { first: 20, last: 1000 };

export async function enqueue(
  section: string,
  json: string | undefined,
  flags: EnqueueFlags,
): Promise<ExitCode> {
  const config = sectionConfig(section, flags.config);
  // All of them are read before the first is added.
  const payloads = json === undefined ? await payloadsOf(process.stdin) : [parse(json, 'the payload')];
  return withQueue(config, async queue => {
    const ids: string[] = [];
    try {
      for await (const id of add(queue, payloads, flags)) {
        ids.push(id);
        if (!flags.wait) process.stdout.write(`${id}\n`);
      }
      if (flags.wait) return show(await results(queue, ids), json !== undefined);
      return ExitCode.done;
    } catch (error) {
      // Whoever asks again would add them twice.
      if (flags.wait && ids.length > 0) process.stderr.write(`ph: jobs that were added: ${ids.join(' ')}\n`);
      throw error;
    }
  });
}

async function payloadsOf(input: NodeJS.ReadStream): Promise<unknown[]> {
  if (input.isTTY) throw new UsageError('no payload: give one as JSON, or lines of JSON on stdin');
  const lines = (await text(input)).split('\n');
  return lines.flatMap((line, at) => (line.trim() === '' ? [] : [parse(line, `line ${at + 1}`)]));
}

function parse(json: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${what} is not JSON: ${(error as Error).message}; a text has quotes: '"text"'`);
  }
}

/** Yields the ids of those that are added, whatever becomes of the rest. */
async function* add(
  queue: AnyQueue,
  payloads: readonly unknown[],
  flags: EnqueueFlags,
): AsyncGenerator<string> {
  const { name, delay: wait, priority, attempts = 1 } = flags;
  const opts: JobsOptions = {
    ...kept,
    attempts,
    ...(attempts > 1 && { backoff: { type: 'exponential', delay: retryDelay } }),
    ...(wait !== undefined && { delay: wait }),
    ...(priority !== undefined && { priority }),
  };
  for (let from = 0; from < payloads.length; from += bulk) {
    const jobs = payloads.slice(from, from + bulk).map(data => ({ name, data, opts }));
    for (const { id } of await queue.addBulk(jobs)) yield id as string;
  }
}

/** From the state of the jobs: events may be missed. */
async function results(queue: AnyQueue, ids: readonly string[]): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  for (let open = ids, wait = pace.first; open.length > 0; wait = Math.min(pace.last, wait * 1.5)) {
    await delay(wait);
    for (let from = 0; from < open.length; from += bulk) {
      const found = await Promise.all(open.slice(from, from + bulk).map(id => outcomeOf(queue, id)));
      for (const outcome of found) if (outcome) outcomes.set(outcome.id, outcome);
    }
    open = open.filter(id => !outcomes.has(id));
  }
  return ids.map(id => outcomes.get(id) as Outcome);
}

/** Undefined while it is not over. */
async function outcomeOf(queue: AnyQueue, id: string): Promise<Outcome | undefined> {
  switch (await queue.getJobState(id)) {
    case 'completed':
      return { id, result: (await queue.getJob(id))?.returnvalue ?? null };
    case 'failed':
      return { id, error: (await queue.getJob(id))?.failedReason ?? 'unknown' };
    case 'unknown':
      return { id, error: 'it was removed before its result could be read' };
    default:
      return undefined;
  }
}

function show(outcomes: readonly Outcome[], isOnly: boolean): ExitCode {
  for (const outcome of outcomes) print(outcome, isOnly);
  return outcomes.some(outcome => 'error' in outcome) ? ExitCode.failed : ExitCode.done;
}

function print(outcome: Outcome, isOnly: boolean): void {
  if (!isOnly) process.stdout.write(`${JSON.stringify(outcome)}\n`);
  else if ('result' in outcome) process.stdout.write(`${JSON.stringify(outcome.result)}\n`);
  else process.stderr.write(`ph: job ${outcome.id} failed: ${outcome.error}\n`);
}
