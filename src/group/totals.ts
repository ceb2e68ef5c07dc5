/** What the workers of a group have counted together, those that are gone included: it only grows. */

import {
  type Outcome,
  outcomes,
  type RpcCount,
  type Statistics,
  type TimeHistogram,
  timeBuckets,
} from '../channel/statistics.ts';
import { type ExitKind, type ExitReason, exitKinds } from './exit-reason.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Of a worker that ended without warning, what it had counted since its last heartbeat is missing. */
export interface GroupTotals {
  readonly tasks: Readonly<Record<Outcome, number>>;
  readonly runTime: TimeHistogram;
  /** From when a worker process had the task until a thread began it. */
  readonly waitTime: TimeHistogram;
  readonly rpc: readonly RpcCount[];
  /** Connections that `Worker.serve()` has accepted. */
  readonly accepted: number;
  /** How often a worker process ended, by the kind of its end. */
  readonly exits: Readonly<Record<ExitKind, number>>;
  /** Worker processes that were started in the place of one that had ended unasked. */
  readonly restarts: number;
}

type Counted = Pick<GroupTotals, 'tasks' | 'runTime' | 'waitTime' | 'rpc' | 'accepted'>;

const noTimes: TimeHistogram = { counts: [...timeBuckets.map(() => 0), 0], sum: 0 };

export class Totals {
  /** Of the workers that are gone. */
  #past: Counted = {
    tasks: each(outcomes, () => 0),
    runTime: noTimes,
    waitTime: noTimes,
    rpc: [],
    accepted: 0,
  };
  #exits = each(exitKinds, () => 0);
  #restarts = 0;

  /** To be called once for each worker, when it is gone. */
  ended({ heartbeat }: WorkerProcess, { kind }: ExitReason): void {
    this.#past = sum(this.#past, heartbeat?.statistics);
    this.#exits = { ...this.#exits, [kind]: this.#exits[kind] + 1 };
  }

  restarted(): void {
    this.#restarts++;
  }

  /** `workers`: those that are not gone. */
  read(workers: readonly WorkerProcess[]): GroupTotals {
    const all = workers.reduce((total, { heartbeat }) => sum(total, heartbeat?.statistics), this.#past);
    return { ...all, exits: this.#exits, restarts: this.#restarts };
  }
}

function sum(a: Counted, b: Statistics | undefined): Counted {
  if (!b) return a;
  return {
    tasks: each(outcomes, outcome => a.tasks[outcome] + b.tasks[outcome]),
    runTime: sumTimes(a.runTime, b.runTime),
    waitTime: sumTimes(a.waitTime, b.waitTime),
    rpc: sumRpc(a.rpc, b.rpc),
    accepted: a.accepted + b.accepted,
  };
}

function sumTimes(a: TimeHistogram, b: TimeHistogram): TimeHistogram {
  return { counts: a.counts.map((count, at) => count + (b.counts[at] ?? 0)), sum: a.sum + b.sum };
}

function sumRpc(a: readonly RpcCount[], b: readonly RpcCount[]): readonly RpcCount[] {
  if (b.length === 0) return a;
  const counts = new Map<string, RpcCount>();
  for (const { method, code, count } of [...a, ...b]) {
    const key = `${code} ${method}`;
    counts.set(key, { method, code, count: count + (counts.get(key)?.count ?? 0) });
  }
  return [...counts.values()];
}

function each<Key extends string>(
  keys: readonly Key[],
  count: (key: Key) => number,
): Readonly<Record<Key, number>> {
  return Object.fromEntries(keys.map(key => [key, count(key)])) as Record<Key, number>;
}
