/** What a hook is told. Within a major version fields are added, never changed or removed. Pure. */

import type { ErrorReport } from '../channel/control.ts';
import type { ExitReason } from '../group/exit-reason.ts';
import type { WorkerProcess } from '../group/worker-process.ts';
import { type GroupStatus, readyWorkers } from './status-text.ts';

export type HookName = 'on_ready' | 'on_exit' | 'on_failed' | 'on_reload';

interface EventBase {
  /** ISO 8601. */
  readonly time: string;
  readonly supervisor: { readonly pid: number; readonly instance: number };
  /** Null: it concerns all sections. */
  readonly section: string | null;
}

/** Every section has its workers, but for those named. */
export interface ReadyEvent extends EventBase {
  readonly event: 'ready';
  readonly sections: readonly { readonly name: string; readonly workers: number }[];
  /** Sections of which workers could not boot at the first try. */
  readonly failures: readonly { readonly section: string; readonly reason: string }[];
}

/** A worker process has ended, for whatever reason. */
export interface ExitEvent extends EventBase {
  readonly event: 'exit';
  readonly worker: {
    readonly index: number;
    /** Null where no process could be started. */
    readonly pid: number | null;
    readonly generation: number;
  };
  /** `drained`, `quit`, `clean`, `crash`, `signal`, `out-of-memory`, `killed`, `boot-failure`, `boot-timeout`, `timeout`, `cut`. */
  readonly kind: string;
  /** As the log says it: `exited with code 1`. */
  readonly reason: string;
  /** Whether nobody had asked for it. */
  readonly unexpected: boolean;
  /** Whether something went wrong. */
  readonly failure: boolean;
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** A section fails too often, or has a failed worker that is not restarted. */
export interface FailedEvent extends EventBase {
  readonly event: 'failed';
  /** How its last worker that failed has ended; null where that cannot be told. */
  readonly reason: string | null;
}

/** A new configuration is in force, or everything stays as it was. */
export interface ReloadEvent extends EventBase {
  readonly event: 'reload';
  readonly outcome: 'done' | 'failed';
  /** Why it failed; null: it did not. */
  readonly reason: string | null;
}

export type HookEvent = ReadyEvent | ExitEvent | FailedEvent | ReloadEvent;

type Facts<Event> = Omit<Event, keyof EventBase>;
export type EventFacts = Facts<ReadyEvent> | Facts<ExitEvent> | Facts<FailedEvent> | Facts<ReloadEvent>;

export function readyFacts(
  groups: readonly GroupStatus[],
  failures: ReadonlyMap<string, ErrorReport>,
): Facts<ReadyEvent> {
  return {
    event: 'ready',
    sections: groups.map(group => ({ name: group.name, workers: readyWorkers(group) })),
    failures: [...failures].map(([section, { message }]) => ({ section, reason: message })),
  };
}

export function exitFacts(
  {
    index,
    pid,
    generation,
    exitCode,
    exitSignal,
  }: Pick<WorkerProcess, 'index' | 'pid' | 'generation' | 'exitCode' | 'exitSignal'>,
  { kind, text, unexpected, failure }: ExitReason,
): Facts<ExitEvent> {
  return {
    event: 'exit',
    worker: { index, pid: pid ?? null, generation },
    kind,
    reason: text,
    unexpected,
    failure,
    exitCode,
    signal: exitSignal,
  };
}
