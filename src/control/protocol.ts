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
  /** Of a section with `queue`: whether it takes jobs, and if not, why. */
  queue: z.object({ connected: z.boolean(), reason: z.string().nullable() }).nullable(),
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

const section = z.string().min(1);
/** False: the answer is `{ "accepted": true }`, at once; what becomes of it is in the log and in the status. */
const wait = z.boolean().default(true);

export const SectionChangeSchema = z.object({
  name: z.string(),
  change: z.enum(['replaced', 'restarted', 'added', 'removed', 'unchanged']),
  generation: count,
  workers: count,
});

export const KeyChangeSchema = z.object({
  section: z.string(),
  key: z.string(),
  /** Null: it was not, or will not be set. */
  before: z.string().nullable(),
  after: z.string().nullable(),
});

export const ProblemSchema = z.object({
  file: z.string(),
  line: count.optional(),
  section: z.string().optional(),
  key: z.string().optional(),
  code: z.string(),
  message: z.string(),
});

export const StackSchema = z.object({
  section: z.string(),
  index: count,
  pid: count,
  /** Of the main thread, innermost first; empty where it is in code that is not JavaScript, or idle. */
  frames: z.array(z.string()),
  running: z.array(RunningTaskSchema),
});

/** Every request that the control socket takes. GET requests have their fields in the query. */
export const routes = {
  status: {
    method: 'GET',
    path: '/v1/status',
    request: z.strictObject({}),
    answer: StatusSchema,
  },
  stop: {
    method: 'POST',
    path: '/v1/stop',
    request: z.strictObject({ section: section.optional(), wait }),
    answer: z.object({ sections: z.array(z.string()) }),
  },
  restart: {
    method: 'POST',
    path: '/v1/restart',
    request: z.strictObject({ section: section.optional(), wait }),
    answer: z.object({ sections: z.array(SectionChangeSchema) }),
  },
  reload: {
    method: 'POST',
    path: '/v1/reload',
    request: z.strictObject({ section: section.optional(), wait }),
    answer: z.object({ sections: z.array(SectionChangeSchema) }),
  },
  plan: {
    method: 'GET',
    path: '/v1/plan',
    request: z.strictObject({ section: section.optional() }),
    answer: z.object({
      added: z.array(z.string()),
      removed: z.array(z.string()),
      keys: z.array(KeyChangeSchema),
      /** Why a reload would fail. */
      problems: z.array(ProblemSchema),
    }),
  },
  upgrade: {
    method: 'POST',
    path: '/v1/upgrade',
    request: z.strictObject({ wait }),
    answer: z.object({ pid: count }),
  },
  scale: {
    method: 'POST',
    path: '/v1/scale',
    request: z.strictObject({
      section,
      /** `4`, `+1` or `-2`. */
      workers: z.string().regex(/^[+-]?\d{1,4}$/, 'must be a number of workers such as 4, +1 or -2'),
      wait,
    }),
    answer: z.object({ section: z.string(), before: count, after: count }),
  },
  stack: {
    method: 'GET',
    path: '/v1/stack',
    request: z.strictObject({ section: section.optional(), index: z.coerce.number().int().optional() }),
    answer: z.object({ workers: z.array(StackSchema) }),
  },
  submit: {
    method: 'POST',
    path: '/v1/submit',
    request: z.strictObject({
      section,
      /** The exported function. Default: `default`. */
      name: z.string().optional(),
      payload: z.json().optional(),
      /** How long it may run. Default: `task_timeout`. */
      timeout: ms.optional(),
    }),
    answer: z.object({ result: z.json() }),
  },
} as const satisfies Record<string, Route>;

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly request: z.ZodObject;
  readonly answer: z.ZodObject;
}

export type RouteName = keyof typeof routes;
/** As its sender writes it. */
export type RequestOf<Name extends RouteName> = z.input<(typeof routes)[Name]['request']>;
export type AnswerOf<Name extends RouteName> = z.output<(typeof routes)[Name]['answer']>;

/** What carries the requests out. `signal` aborts when whoever asked is gone. */
export type Handlers = {
  readonly [Name in RouteName]: (
    request: z.output<(typeof routes)[Name]['request']>,
    signal: AbortSignal,
  ) => Promise<AnswerOf<Name>>;
};

export const AcceptedSchema = z.object({ accepted: z.literal(true) });

export const FailureSchema = z.object({
  error: z.object({
    /** `PH_ERR_*`. */
    code: z.string(),
    message: z.string(),
    /** The user's own error and stack, where there is one. */
    details: z.string().optional(),
    /** What `ph` exits with. */
    exitCode: z.int(),
  }),
});
