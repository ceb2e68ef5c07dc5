/** Every error that this package throws on purpose, each with a stable `code`. */

/** Exit codes of `ph`, as `docs/` and the README list them. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  alreadyRunning: 4,
  cannotBoot: 5,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Base of all errors of this package: `code` is stable, `message` is for people. */
export class ProcessHandlerError extends Error {
  readonly code: string;
  readonly #exitStatus: ExitCode;

  constructor(code: string, message: string, options: ErrorOptions & { exitCode?: ExitCode } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.#exitStatus = options.exitCode ?? ExitCode.failed;
  }

  /** What `ph` exits with when this error ends it. */
  get exitStatus(): ExitCode {
    return this.#exitStatus;
  }
}

/** One thing that is wrong with a configuration, and where. */
export interface Problem {
  /** Absolute path of the file, or where the value came from: `environment`, `command line`. */
  readonly file: string;
  /** 1-based; absent where there is no line to name. */
  readonly line?: number;
  readonly section?: string;
  readonly key?: string;
  /** Stable, `PH_ERR_CONFIG_*`. */
  readonly code: string;
  readonly message: string;
}

/** The configuration cannot be used; `problems` holds everything that is wrong with it, not only the first. */
export class ConfigError extends ProcessHandlerError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('PH_ERR_CONFIG', problems.map(formatProblem).join('\n'), { exitCode: ExitCode.usage });
    this.problems = problems;
  }
}

/** `file:line: [section] key: message`, as editors and terminals make it clickable. */
export function formatProblem({ file, line, section, key, message }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}`;
  const subject = `${section === undefined ? '' : `[${section}] `}${key === undefined ? '' : `${key}: `}`;
  return `${place}: ${subject}${message}`;
}

/** An address of `bind` or `metrics_bind` cannot be listened on; `problems` holds all of those. What listened before goes on. */
export class BindError extends ProcessHandlerError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('PH_ERR_BIND', problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

/** The task module offers neither a task nor a Worker class. */
export class TaskModuleError extends ProcessHandlerError {
  constructor(message: string) {
    super('PH_ERR_TASK_MODULE', message);
  }
}

/** `run()` named a task that the module does not export. */
export class UnknownTaskError extends ProcessHandlerError {
  constructor(name: string, known: Iterable<string>) {
    super('PH_ERR_UNKNOWN_TASK', `no task is named "${name}"; there are: ${[...known].join(', ') || 'none'}`);
  }
}

/** `this.pool` was used in a section with `threads = 0`. */
export class NoThreadsError extends ProcessHandlerError {
  constructor() {
    super('PH_ERR_NO_THREADS', 'this section has no threads to run a task on (threads = 0)');
  }
}

/** `serve()` was called in a section without `bind`, or for a listener beyond those that it has. */
export class NoListenerError extends ProcessHandlerError {
  constructor(section: string) {
    super('PH_ERR_NO_LISTENER', `[${section}] has no such listening socket: add bind = HOST:PORT`);
  }
}

/** `serve()` was called for a listener that a server has or had already. */
export class ListenerTakenError extends ProcessHandlerError {
  constructor(section: string, address: string) {
    super('PH_ERR_LISTENER_TAKEN', `[${section}] ${address} has a server already: each listener takes one`);
  }
}

/** A section has a `queue`, and the packages for it are not installed; the message has the command that installs them. */
export class QueuePackagesError extends ProcessHandlerError {
  constructor(section: string, reason: string, packages: string) {
    super('PH_ERR_CONFIG_QUEUE_PACKAGES', `[${section}] queue: ${reason}: npm install ${packages}`, {
      exitCode: ExitCode.usage,
    });
  }
}

/** A section has no `queue`, and was asked for its queue. */
export class NoQueueError extends ProcessHandlerError {
  constructor(section: string) {
    super(
      'PH_ERR_NO_QUEUE',
      `[${section}] has no queue: add queue = NAME and queue_url = redis://… or postgres://…`,
      {
        exitCode: ExitCode.usage,
      },
    );
  }
}

/** The server of a queue is not there, or refuses. */
export class QueueServerError extends ProcessHandlerError {
  constructor(queue: string, server: string, reason: string) {
    super('PH_ERR_QUEUE_SERVER', `queue ${queue} on ${server}: ${reason}`);
  }
}

/** A section has both `bind` and `queue`, and its task module no Worker class that says what to do with them. */
export class QueueAndBindError extends ProcessHandlerError {
  constructor(section: string) {
    super(
      'PH_ERR_CONFIG_QUEUE_BIND',
      `[${section}] has bind and queue: make two sections, or export a default class that extends Worker`,
      { exitCode: ExitCode.usage },
    );
  }
}

/** A task ran longer than `task_timeout`; its thread was ended. */
export class TaskTimeoutError extends ProcessHandlerError {
  constructor(name: string, limit: number) {
    super('PH_ERR_TASK_TIMEOUT', `task ${name} ran longer than ${limit} ms`);
  }
}

/** A task waited longer than `queue_timeout` for a thread; it was not begun. */
export class QueueTimeoutError extends ProcessHandlerError {
  constructor(name: string, limit: number) {
    super('PH_ERR_QUEUE_TIMEOUT', `task ${name} waited longer than ${limit} ms for a thread`);
  }
}

/** A task was aborted through its `signal`; `cause` is the signal's reason. */
export class TaskAbortError extends ProcessHandlerError {
  constructor(name: string, reason: unknown) {
    super('PH_ERR_ABORTED', `task ${name} was aborted`, { cause: reason });
    // What code that handles aborts looks for.
    this.name = 'AbortError';
  }
}

/** As many tasks wait as `max_queue` allows. */
export class QueueFullError extends ProcessHandlerError {
  constructor(limit: number) {
    super('PH_ERR_QUEUE_FULL', `${limit} tasks wait already (max_queue)`);
  }
}

/** A thread ended while it ran a task: `process.exit()`, or out of `max_thread_memory`. */
export class ThreadExitError extends ProcessHandlerError {
  constructor(name: string, reason: string) {
    super('PH_ERR_THREAD_EXIT', `the thread that ran task ${name} ended: ${reason}`);
  }
}

/** What is known of a task when something happened to it. */
export interface TaskInfo {
  readonly id: number;
  readonly name: string;
  /** 1; one more for each time that it was run again (`retries`). */
  readonly attempt: number;
}

/** The worker process that had been sent the task ended before it had answered. Whether the task had begun is unknown. */
export class WorkerCrashError extends ProcessHandlerError {
  readonly pid: number | undefined;
  /** Of the process; null where a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it ended, as the log says it: `killed by SIGSEGV`. */
  readonly reason: string;
  readonly task: TaskInfo;

  constructor(
    task: TaskInfo,
    exit: { pid: number | undefined; exitCode: number | null; signal: NodeJS.Signals | null; reason: string },
  ) {
    const times = task.attempt > 1 ? ` (attempt ${task.attempt})` : '';
    super(
      'PH_ERR_WORKER_CRASH',
      `worker process ${exit.pid ?? ''} ${exit.reason} with task ${task.name}${times}`,
    );
    this.pid = exit.pid;
    this.exitCode = exit.exitCode;
    this.signal = exit.signal;
    this.reason = exit.reason;
    this.task = task;
  }
}

/** The pool is closed, or closes: it takes no task, and has given up those that it had. */
export class PoolClosedError extends ProcessHandlerError {
  constructor(reason: string) {
    super('PH_ERR_POOL_CLOSED', reason);
  }
}

/** What a thread threw outside of any task, such as in a timer that a task left behind. */
export class ThreadError extends ProcessHandlerError {
  /** The stack in the thread. */
  readonly details: string;

  constructor(error: { message: string; details: string }) {
    super('PH_ERR_THREAD', error.message);
    this.details = error.details;
  }
}

/** No worker process of the pool can be started any more; it is tried again every `restartDelayMax`. */
export class PoolFailedError extends ProcessHandlerError {
  constructor(reason: string) {
    super('PH_ERR_POOL_FAILED', `the worker processes of the pool fail again and again: ${reason}`);
  }
}

/** What a JSON-RPC call was answered. A task or a hook that throws one chooses what its caller is answered. */
export class RpcError extends ProcessHandlerError {
  /** The code of the error object: those of `RpcCode`, or any other integer. */
  readonly rpcCode: number;
  readonly data: unknown;

  constructor(rpcCode: number, message: string, data?: unknown) {
    super('PH_ERR_RPC', message);
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** There is no connection to an RPC server, or it ended before the answer had come: whether the call has run is unknown. */
export class RpcConnectionError extends ProcessHandlerError {
  constructor(server: string, cause: Error) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason =
      code === 'ECONNRESET' ? 'the connection was closed before the answer had come' : cause.message || code;
    super('PH_ERR_RPC_CONNECTION', `${server}: ${reason}`, { cause });
  }
}

/** A call was not answered within its time. */
export class RpcTimeoutError extends ProcessHandlerError {
  constructor(method: string, limit: number) {
    super('PH_ERR_RPC_TIMEOUT', `method ${method} was not answered within ${limit} ms`);
  }
}

/** What came back is no answer to the call, as from a proxy. */
export class RpcResponseError extends ProcessHandlerError {
  /** Of HTTP. */
  readonly status: number;

  constructor(server: string, status: number, reason: string) {
    super('PH_ERR_RPC_RESPONSE', `${server} answered with status ${status}: ${reason}`);
    this.status = status;
  }
}

/** The client is closed, and takes no call. */
export class RpcClosedError extends ProcessHandlerError {
  constructor() {
    super('PH_ERR_RPC_CLOSED', 'this client is closed');
  }
}

/** A log file cannot be opened; what was in force before stays in force. */
export class LogFileError extends ProcessHandlerError {
  /** Absolute path of the log file. */
  readonly path: string;

  constructor(path: string, reason: string, options: ErrorOptions = {}) {
    super('PH_ERR_LOG_FILE', `cannot open log file ${path}: ${reason}`, options);
    this.path = path;
  }
}

/** Workers do not become ready: a reload changed nothing, or not all that a command waits for came. */
export class ReloadError extends ProcessHandlerError {
  /** The user's own error and stack, where there is one. */
  readonly details: string;

  constructor(section: string, error: { message: string; details: string }) {
    super('PH_ERR_RELOAD', `[${section}] ${error.message}`);
    this.details = error.details;
  }
}

/** No worker could boot, or of a pool whose other processes serve: some could not. */
export class BootError extends ProcessHandlerError {
  /** The user's own error and stack, by section. */
  readonly details: string;

  constructor(
    failures: ReadonlyMap<string, { message: string; details: string; code?: string | undefined }>,
    others: 'serve' | 'none' = 'none',
  ) {
    const which = others === 'serve' ? 'some workers could not boot' : 'no worker could boot';
    // Of some mistakes a worker is the first to know.
    const isMisconfigured = [...failures.values()].every(({ code }) => code?.startsWith('PH_ERR_CONFIG'));
    super('PH_ERR_BOOT', `${which}: ${[...failures.keys()].join(', ')}`, {
      exitCode: isMisconfigured ? ExitCode.usage : ExitCode.cannotBoot,
    });
    this.details = [...failures].map(([section, error]) => `[${section}] ${error.details}`).join('\n\n');
  }
}

/** Another supervisor holds the pidfile. */
export class AlreadyRunningError extends ProcessHandlerError {
  /** Undefined where the holder did not answer. */
  readonly pid: number | undefined;

  constructor(pidfile: string, pid: number | undefined) {
    const holder = pid === undefined ? 'a supervisor that does not answer' : `pid ${pid}`;
    super('PH_ERR_ALREADY_RUNNING', `already running: ${holder} holds ${pidfile}`, {
      exitCode: ExitCode.alreadyRunning,
    });
    this.pid = pid;
  }
}

/** The pidfile cannot be written, or what stands in its place is no pidfile. */
export class PidfileError extends ProcessHandlerError {
  constructor(path: string, reason: string, cause?: unknown) {
    super('PH_ERR_PIDFILE', `pidfile ${path}: ${reason}`, { cause });
  }
}

/** The daemon ended before it was ready and could not say why. */
export class DaemonError extends ProcessHandlerError {
  constructor(reason: string) {
    super('PH_ERR_DAEMON', reason);
  }
}

/** `ph run -d` as the main process of a container. */
export class ContainerDaemonError extends ProcessHandlerError {
  constructor() {
    const reason =
      'this is the main process of a container, which ends with it, so it cannot go to the background: ' +
      'leave out -d, or set daemonize = false';
    super('PH_ERR_CONTAINER_DAEMON', reason, { exitCode: ExitCode.usage });
  }
}

/** This process was told to replace a supervisor, and not by one. */
export class UpgradeError extends ProcessHandlerError {
  constructor(reason: string, cause?: unknown) {
    super('PH_ERR_UPGRADE', reason, { cause, exitCode: ExitCode.usage });
  }
}

/** A worker process cannot run as the `user` or `group` that its section names. */
export class AccountError extends ProcessHandlerError {
  constructor(user: string | undefined, group: string | undefined, cause: unknown) {
    const account = [user && `user ${user}`, group && `group ${group}`].filter(Boolean).join(', ');
    const { message, stderr } = cause as Error & { stderr?: string };
    super('PH_ERR_ACCOUNT', `cannot run as ${account}: ${stderr?.trim() || message}`, { cause });
  }
}

/** A thread could not load the task module although the main thread could, or ended while it did. */
export class ThreadLoadError extends ProcessHandlerError {
  /** The user's own error and stack, where there is one. */
  readonly details: string;

  constructor(error: { message: string; details: string }) {
    super('PH_ERR_THREAD_LOAD', error.message);
    this.details = error.details;
  }
}

/** A TypeScript task module, or what it imports, does not compile. */
export class CompileError extends ProcessHandlerError {
  /** File, line and code of all that is wrong. */
  readonly details: string;

  constructor(error: { message: string; details: string }) {
    super('PH_ERR_COMPILE', error.message);
    this.details = error.details;
  }
}

/** The supervisor is stopping, and begins nothing any more. */
export class StoppingError extends ProcessHandlerError {
  constructor(what = 'the supervisor') {
    super('PH_ERR_STOPPING', `${what} is stopping`);
  }
}

/** The supervisor is in the middle of something that has to end first. */
export class BusyError extends ProcessHandlerError {
  constructor(reason: string) {
    super('PH_ERR_BUSY', reason);
  }
}

/** The supervisor that was to take over did not; the old one goes on. */
export class UpgradeFailedError extends ProcessHandlerError {
  constructor(reason: string) {
    super('PH_ERR_UPGRADE_FAILED', `upgrade failed, everything stays as it was: ${reason}`);
  }
}

/** A command names a section that does not run. */
export class NoSectionError extends ProcessHandlerError {
  constructor(name: string, known: Iterable<string>) {
    super(
      'PH_ERR_NO_SECTION',
      `no section is named "${name}"; there are: ${[...known].join(', ') || 'none'}`,
      {
        exitCode: ExitCode.usage,
      },
    );
  }
}

/** The control socket cannot be made, or cannot be put where it belongs. */
export class ControlSocketError extends ProcessHandlerError {
  constructor(path: string, reason: string, cause?: unknown) {
    super('PH_ERR_CONTROL_SOCKET', `control socket ${path}: ${reason}`, { cause });
  }
}

/** What a supervisor answered instead of doing what it was asked to; `code` is that of the supervisor's own error. */
export class ControlError extends ProcessHandlerError {
  /** The user's own error and stack, where there is one. */
  readonly details: string | undefined;

  constructor(
    code: string,
    message: string,
    { details, exitCode }: { details?: string | undefined; exitCode?: ExitCode } = {},
  ) {
    super(code, message, exitCode === undefined ? {} : { exitCode });
    this.details = details;
  }
}

/** No supervisor answers at the control socket. */
export class NotRunningError extends ProcessHandlerError {
  constructor(message: string, cause?: unknown) {
    super('PH_ERR_NOT_RUNNING', message, { exitCode: ExitCode.notRunning, cause });
  }
}

/** A supervisor has not answered in time; what it was asked to do goes on. */
export class ControlTimeoutError extends ProcessHandlerError {
  constructor(reason: string) {
    super('PH_ERR_CONTROL_TIMEOUT', reason);
  }
}

/** A section has no worker to do what it was asked to, and will not have one soon. */
export class SectionFailedError extends ProcessHandlerError {
  constructor(section: string, reason: string) {
    super('PH_ERR_SECTION_FAILED', `[${section}] has no worker: ${reason}`);
  }
}

/** A command was given what it cannot work with; says what to give instead. */
export class UsageError extends ProcessHandlerError {
  constructor(message: string) {
    super('PH_ERR_USAGE', message, { exitCode: ExitCode.usage });
  }
}

/** An input of `ph map` is not what it should be, such as a line that is no JSON, or the input cannot be read. */
export class InputError extends ProcessHandlerError {
  constructor(message: string, cause?: unknown) {
    super('PH_ERR_INPUT', message, { cause });
  }
}

/** The result of a task cannot be written as JSON. */
export class ResultError extends ProcessHandlerError {
  constructor(reason: string, cause?: unknown) {
    super('PH_ERR_RESULT', `the result cannot be written as JSON: ${reason}`, { cause });
  }
}

/** The output of `ph map` cannot be written. */
export class OutputError extends ProcessHandlerError {
  constructor(name: string, reason: string, cause?: unknown) {
    super('PH_ERR_OUTPUT', `cannot write ${name}: ${reason}`, { cause });
  }
}

/** A checkpoint of `ph map` is in use, is no checkpoint, belongs to something else, or cannot be written. */
export class CheckpointError extends ProcessHandlerError {
  /** Absolute path of the checkpoint. */
  readonly path: string;

  constructor(path: string, reason: string, options: ErrorOptions & { exitCode?: ExitCode } = {}) {
    super('PH_ERR_CHECKPOINT', `checkpoint ${path}: ${reason}`, { exitCode: ExitCode.usage, ...options });
    this.path = path;
  }
}

/** Files that would be written are there already; none was changed. */
export class FilesExistError extends ProcessHandlerError {
  readonly paths: readonly string[];

  constructor(paths: readonly string[]) {
    super('PH_ERR_FILES_EXIST', `nothing was written, since there is already: ${paths.join(', ')}`);
    this.paths = paths;
  }
}

/** A section has no log file that could be shown. */
export class NoLogFileError extends ProcessHandlerError {
  constructor(reason: string, exitCode: ExitCode = ExitCode.usage) {
    super('PH_ERR_NO_LOG_FILE', reason, { exitCode });
  }
}
