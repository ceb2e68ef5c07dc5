/**
 * What goes over the control socket: the schema of each request and answer, and the types that follow from them. All
 * durations are milliseconds, sizes bytes, times ISO 8601. Within `/v1` fields are added, never changed or removed.
 */

import { z } from 'zod';
import { outcomes } from '../channel/statistics.ts';

const count = z.int().nonnegative();
const ms = z.number().nonnegative();
const part = z.number().min(0);

export const ExitSchema = z.object({
  /** `crash`, `signal`, `out-of-memory`, `killed`, `timeout`, `drained`, … */
  kind: z.string(),
  /** As the log says it: `exited with code 1`. */
  reason: z.string(),
  /** Whether something went wrong. */
  failure: z.boolean(),
  at: z.iso.datetime(),
});

export const RunningTaskSchema = z.object({ name: z.string(), threadId: count, age: ms });

export const TaskCountsSchema = z.record(z.enum(outcomes), count);

export const WorkerSchema = z.object({
  index: count,
  /** Null where there is none: its next try is due in `nextTry`. */
  pid: count.nullable(),
  state: z.enum(['starting', 'ready', 'draining', 'exited']),
  generation: count,
  /** Since it was started. */
  uptime: ms,
  /** How often a process in this place was started again after one that had ended unasked. */
  restarts: count,
  threads: z.object({ busy: count, all: count }),
  /** Tasks that wait in it for a thread. */
  queued: count,
  running: z.array(RunningTaskSchema),
  tasks: TaskCountsSchema,
  /** Run times of tasks that ended lately. */
  p50: ms,
  p95: ms,
  eventLoop: z.object({ utilization: part, delay: ms }),
  /** Percent of one core, lately. */
  cpu: part,
  rss: count,
  /** Open connections, and requests on them that are being answered. */
  connections: count,
  requests: count,
  /** Why it is to be replaced. */
  retiring: z.string().nullable(),
  /** How the last process in this place ended. */
  lastExit: ExitSchema.nullable(),
  nextTry: ms.nullable(),
});

export const SectionSchema = z.object({
  name: z.string(),
  state: z.enum(['starting', 'running', 'reloading', 'backoff', 'failed', 'stopping', 'stopped']),
  generation: count,
  task: z.string(),
  addresses: z.array(z.string()),
  workers: z.object({ ready: count, wanted: count }),
  /** Tasks that wait: in the workers, and for one. */
  queued: count,
  /** Of all workers that it has had. */
  tasks: TaskCountsSchema,
  restarts: count,
  /** How often a worker ended, by kind. */
  exits: z.record(z.string(), count),
  /** Why it is `failed`, or what its last failure was. */
  lastFailure: z.string().nullable(),
  processes: z.array(WorkerSchema),
});

export const StatusSchema = z.object({
  supervisor: z.object({
    pid: count,
    instance: count,
    state: z.enum(['starting', 'running', 'stopping', 'stopped']),
    version: z.string(),
    node: z.string(),
    file: z.string().nullable(),
    directory: z.string(),
    startedAt: z.iso.datetime(),
    uptime: ms,
    rss: count,
    cpu: part,
    eventLoop: z.object({ utilization: part, delay: ms }),
    /** What it is doing beside keeping workers alive. */
    busyWith: z.enum(['reload', 'upgrade']).nullable(),
  }),
  sections: z.array(SectionSchema),
});

export type Status = z.infer<typeof StatusSchema>;
export type SectionStatus = z.infer<typeof SectionSchema>;
export type WorkerStatus = z.infer<typeof WorkerSchema>;
