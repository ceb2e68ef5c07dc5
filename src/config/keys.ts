/** The keys of `ph.ini`: name, kind, default and meaning. Parser, types and documentation all come from this table. */

import { environmentList } from './kinds/environment-list.ts';
import type { Kind } from './kinds/kind.ts';
import { address, addresses, path, pathOrStderr, url } from './kinds/places.ts';
import {
  boolean,
  duration,
  integer,
  integerOrAuto,
  oneOf,
  signal,
  size,
  text,
  umask,
} from './kinds/scalars.ts';
import { cron, timezone } from './kinds/schedule.ts';

export interface KeyDefinition {
  readonly name: string;
  readonly kind: Kind<unknown>;
  /** As it would be written in a file; undefined: not set. */
  readonly default: string | undefined;
  /** What the documentation shows instead of `default`. */
  readonly defaultDoc?: string;
  /** `supervisor`: the sections that run together have to agree. */
  readonly scope: 'section' | 'supervisor';
  /** One sentence. */
  readonly doc: string;
  /** The value is not shown to anybody. */
  readonly secret?: true;
}

const MEGABYTE = 1024 ** 2;

/** The most threads that one worker process may have. */
export const MAX_THREADS = 1024;

export const KEYS = [
  {
    name: 'task',
    kind: path,
    default: undefined,
    scope: 'section',
    doc: 'The task module: its exported functions are tasks, a default-exported class is the Worker.',
  },
  {
    name: 'number_workers',
    kind: integerOrAuto(1, 1024),
    default: '1',
    scope: 'section',
    doc: 'Worker processes; `auto` is one per available core.',
  },
  {
    name: 'threads',
    kind: integerOrAuto(0, MAX_THREADS),
    default: 'auto',
    scope: 'section',
    doc: 'Threads per worker process; `auto` is available cores / number_workers, at least 1 and at least min_threads; `0` is no thread pool.',
  },
  {
    name: 'min_threads',
    kind: integer(0, MAX_THREADS),
    default: undefined,
    defaultDoc: 'threads',
    scope: 'section',
    doc: 'Threads per worker process that are kept; more, up to threads, are started when tasks wait.',
  },
  {
    name: 'idle_timeout',
    kind: duration(),
    default: '0',
    scope: 'section',
    doc: 'How long a thread beyond min_threads stays idle before it ends.',
  },
  {
    name: 'concurrent_tasks_per_worker',
    kind: integer(1, 65_536),
    default: '1',
    scope: 'section',
    doc: 'Tasks that one thread runs at a time; more than 1 is for tasks that wait.',
  },
  {
    name: 'graceful_timeout',
    kind: duration(),
    default: '30',
    scope: 'section',
    doc: 'How long work in flight may take after a stop signal; then the worker process is killed.',
  },
  {
    name: 'timeout',
    kind: duration(),
    default: '30',
    scope: 'section',
    doc: 'A worker process whose main thread is silent that long is dumped, aborted and replaced; 0 is off.',
  },
  {
    name: 'boot_timeout',
    kind: duration(1),
    default: '60',
    scope: 'section',
    doc: 'A worker process that is not ready by then is killed and counts as failed.',
  },
  {
    name: 'task_timeout',
    kind: duration(),
    default: '0',
    scope: 'section',
    doc: 'How long one task may run; 0 is no limit.',
  },
  {
    name: 'abort_grace',
    kind: duration(),
    default: '0.5',
    scope: 'section',
    doc: 'How long a task that was aborted, or is over its task_timeout, may take to end before its thread is ended.',
  },
  {
    name: 'queue_timeout',
    kind: duration(),
    default: '0',
    scope: 'section',
    doc: 'How long one task may wait before it runs; 0 is no limit.',
  },
  {
    name: 'max_requests',
    kind: integer(0),
    default: '0',
    scope: 'section',
    doc: 'A worker process is replaced after that many requests (tasks, RPC calls, requests to `this.serve()`, `handleRequest` rounds); 0 is never.',
  },
  {
    name: 'max_requests_jitter',
    kind: integer(0),
    default: '0',
    scope: 'section',
    doc: 'Up to that many requests are added to max_requests at random, so that workers are not replaced all at once.',
  },
  {
    name: 'max_memory',
    kind: size(MEGABYTE),
    default: '0',
    scope: 'section',
    doc: 'A worker process whose resident memory exceeds this is drained and replaced; 0 is no limit.',
  },
  {
    name: 'max_thread_memory',
    // With less, V8 may end the whole process before Node can end the thread.
    kind: size(16 * MEGABYTE),
    default: '0',
    scope: 'section',
    doc: 'Heap limit of each thread; 0 is the limit that Node chooses.',
  },
  {
    name: 'max_lifetime',
    kind: duration(),
    default: '0',
    scope: 'section',
    doc: 'A worker process of that age is replaced; 0 is never.',
  },
  {
    name: 'restart',
    kind: oneOf('always', 'on-failure', 'never'),
    default: 'always',
    scope: 'section',
    doc: 'Which worker processes that end by themselves are started again.',
  },
  {
    name: 'restart_delay',
    kind: duration(),
    default: '0.1',
    scope: 'section',
    doc: 'Wait before a restart from the second failure on; doubles with each further one, with jitter.',
  },
  {
    name: 'restart_delay_max',
    kind: duration(1),
    default: '30',
    scope: 'section',
    doc: 'The longest wait before a restart, and the interval of attempts of a failed group.',
  },
  {
    name: 'max_restarts',
    kind: integer(0),
    default: '10',
    scope: 'section',
    doc: 'More failures than that within restart_window, the delays between them not counted: the group is failed.',
  },
  {
    name: 'restart_window',
    kind: duration(1),
    default: '60',
    scope: 'section',
    doc: 'The sliding window in which failures are counted.',
  },
  {
    name: 'stop_signal',
    kind: signal,
    default: 'TERM',
    scope: 'section',
    doc: 'The signal that asks a worker process to stop.',
  },
  {
    name: 'max_queue',
    kind: integer(0),
    default: '0',
    scope: 'section',
    doc: 'Tasks that may wait in a group; 0 is any number.',
  },
  {
    name: 'bind',
    kind: addresses,
    default: undefined,
    scope: 'section',
    doc: 'Addresses on which the workers accept connections; the supervisor binds them before it starts any worker.',
  },
  {
    name: 'backlog',
    kind: integer(1, 65_535),
    default: '2048',
    scope: 'section',
    doc: 'Connections that may wait to be accepted, per address; the kernel has a limit of its own, net.core.somaxconn.',
  },
  {
    name: 'rpc_token',
    kind: text,
    default: undefined,
    scope: 'section',
    secret: true,
    doc: 'Token that RPC calls have to carry, as `Authorization: Bearer TOKEN`; take it from the environment: `%(ENV_NAME)s`.',
  },
  {
    name: 'rpc_public',
    kind: boolean,
    default: 'false',
    scope: 'section',
    doc: 'Whether RPC is served without rpc_token also on addresses that other machines can reach, and to web pages.',
  },
  {
    name: 'rpc_max_body',
    kind: size(),
    default: '1M',
    scope: 'section',
    doc: 'The largest body of an RPC request; 0 is any size.',
  },
  {
    name: 'rpc_max_batch',
    kind: integer(1),
    default: '1000',
    scope: 'section',
    doc: 'The most calls that one batch of RPC may have.',
  },
  {
    name: 'rpc_request_timeout',
    kind: duration(),
    default: '30',
    scope: 'section',
    doc: 'How long a client of RPC may take to send a request, and how long it may stop reading the answer; 0 is no limit.',
  },
  {
    name: 'rpc_stacks',
    kind: boolean,
    default: 'false',
    scope: 'section',
    doc: 'Whether RPC errors carry the stack of what a task threw, as `data.stack`.',
  },
  {
    name: 'queue',
    kind: text,
    default: undefined,
    scope: 'section',
    doc: 'Name of the BullMQ queue whose jobs the section runs.',
  },
  {
    name: 'queue_url',
    kind: url('redis', 'rediss', 'postgres', 'postgresql'),
    default: undefined,
    scope: 'section',
    secret: true,
    doc: 'The server that holds the queue.',
  },
  {
    name: 'queue_prefix',
    kind: text,
    default: undefined,
    defaultDoc: '`bull`, PostgreSQL: `bullmq`',
    scope: 'section',
    doc: 'What the keys of the queue begin with in Redis; the schema that its tables are in in PostgreSQL.',
  },
  {
    name: 'concurrency',
    kind: integer(1, 65_536),
    default: undefined,
    defaultDoc: 'threads',
    scope: 'section',
    doc: 'Jobs of the queue that one worker process takes at a time; the default is what its threads run at a time.',
  },
  {
    name: 'lock_duration',
    kind: duration(100),
    default: '30',
    scope: 'section',
    doc: 'A job whose worker process is lost goes back to the queue after that time, twice as much at the most.',
  },
  {
    name: 'max_stalled',
    kind: integer(0),
    default: '1',
    scope: 'section',
    doc: 'How often a job goes back to the queue because its worker process was lost; then it is failed.',
  },
  {
    name: 'queue_watchdog',
    kind: duration(),
    default: '30',
    scope: 'section',
    doc: 'A worker process that is connected and takes no job for that long while jobs wait is replaced; 0 is off.',
  },
  {
    name: 'schedule',
    kind: cron,
    default: undefined,
    scope: 'section',
    doc: 'When to run the default task: a cron expression of 5 fields, or of 6 with seconds first.',
  },
  {
    name: 'schedule_timezone',
    kind: timezone,
    default: undefined,
    defaultDoc: 'that of the machine',
    scope: 'section',
    doc: 'Time zone that schedule means, such as `Europe/Zurich` or `UTC`.',
  },
  {
    name: 'daemonize',
    kind: boolean,
    default: 'false',
    scope: 'supervisor',
    doc: 'Whether `ph run` goes to the background; needs log_file.',
  },
  {
    name: 'pidfile',
    kind: path,
    default: undefined,
    scope: 'section',
    doc: 'File that holds the pid of the supervisor; sections may differ, then the supervisor claims each.',
  },
  {
    name: 'single_instance',
    kind: boolean,
    default: 'true',
    scope: 'supervisor',
    doc: 'Whether a second supervisor with the same pidfile is refused; otherwise it runs beside it with a number.',
  },
  {
    name: 'control_socket',
    kind: path,
    default: undefined,
    defaultDoc: '`<pidfile>.sock`, or `.ph.sock` beside `ph.ini`',
    scope: 'supervisor',
    doc: 'Unix socket on which the supervisor takes the commands of `ph`.',
  },
  {
    name: 'metrics_bind',
    kind: address,
    default: undefined,
    scope: 'supervisor',
    doc: 'Address on which the supervisor serves metrics for Prometheus, its health and its status over HTTP.',
  },
  {
    name: 'on_ready',
    kind: text,
    default: undefined,
    scope: 'supervisor',
    doc: 'Shell command that is run when every section has its workers; the event is JSON on its standard input.',
  },
  {
    name: 'on_exit',
    kind: text,
    default: undefined,
    scope: 'section',
    doc: 'Shell command that is run when a worker process has ended.',
  },
  {
    name: 'on_failed',
    kind: text,
    default: undefined,
    scope: 'section',
    doc: 'Shell command that is run when the section is failed.',
  },
  {
    name: 'on_reload',
    kind: text,
    default: undefined,
    scope: 'supervisor',
    doc: 'Shell command that is run after a reload, also after one that failed.',
  },
  {
    name: 'hook_timeout',
    kind: duration(1),
    default: '30',
    scope: 'supervisor',
    doc: 'How long such a command may run, and how long a supervisor that stops waits for them; then they are killed.',
  },
  {
    name: 'proc_name',
    kind: text,
    default: undefined,
    defaultDoc: "the section's name",
    scope: 'section',
    doc: 'Name in process titles: `ph: master [name]`, `ph: name#1`.',
  },
  {
    name: 'log_file',
    kind: pathOrStderr,
    default: 'stderr',
    scope: 'section',
    doc: 'File that the log is appended to.',
  },
  {
    name: 'log_level',
    kind: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    scope: 'section',
    doc: 'The least level that is logged.',
  },
  {
    name: 'log_format',
    kind: oneOf('auto', 'pretty', 'json'),
    default: 'auto',
    scope: 'section',
    doc: 'Form of log lines; `auto` is pretty on a terminal and JSON otherwise.',
  },
  {
    name: 'log_max_size',
    kind: size(),
    default: '50M',
    scope: 'section',
    doc: 'A log file of that size is rotated; 0 is never.',
  },
  {
    name: 'log_keep',
    kind: integer(0, 10_000),
    default: '10',
    scope: 'section',
    doc: 'Rotated log files that are kept.',
  },
  {
    name: 'base_path',
    kind: path,
    default: '.',
    scope: 'section',
    doc: 'Working directory of the worker processes; useful in references such as `%(base_path)s/x.pid`.',
  },
  {
    name: 'log_path',
    kind: path,
    default: '.',
    scope: 'section',
    doc: 'No effect of its own: a name for references such as `%(log_path)s/x.log`.',
  },
  {
    name: 'user',
    kind: text,
    default: undefined,
    scope: 'section',
    doc: 'User, by name or number, that the worker processes run as.',
  },
  {
    name: 'group',
    kind: text,
    default: undefined,
    scope: 'section',
    doc: 'Group, by name or number, that the worker processes run as.',
  },
  {
    name: 'umask',
    kind: umask,
    default: undefined,
    scope: 'section',
    doc: 'File mode bits that files of the worker processes, and the Unix sockets of bind, do not get.',
  },
  {
    name: 'nice',
    kind: integer(-20, 19),
    default: undefined,
    scope: 'section',
    doc: 'Scheduling priority of the worker processes; higher is weaker.',
  },
  {
    name: 'environment',
    kind: environmentList,
    default: undefined,
    scope: 'section',
    doc: 'Environment variables of the worker processes, read again at each reload.',
  },
  {
    name: 'env_file',
    kind: path,
    default: undefined,
    scope: 'section',
    doc: 'File of `NAME=value` lines for the environment, weaker than environment, read again at each reload.',
  },
  {
    name: 'ts',
    kind: oneOf('auto', 'native', 'tsx'),
    default: 'auto',
    scope: 'section',
    doc: 'How a TypeScript task module is loaded: `native` by Node itself, `tsx` by tsx in each thread; `auto` is native where Node strips types, else compiled once before a worker boots.',
  },
] as const satisfies readonly KeyDefinition[];

export type KeyName = (typeof KEYS)[number]['name'];

const BY_NAME: ReadonlyMap<string, KeyDefinition> = new Map(KEYS.map(key => [key.name, key]));

/** The definition of a lower-case key; undefined: the application's own. */
export function findKey(name: string): KeyDefinition | undefined {
  return BY_NAME.get(name);
}

/** `graceful_timeout` → `gracefulTimeout`. */
export function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
