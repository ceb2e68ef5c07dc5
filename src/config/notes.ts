/** What is no error and yet hardly meant: risks that several keys make together, and keys that change nothing. Pure. */

import type { Problem } from '../errors.ts';
import { camelCase } from './keys.ts';
import { formatAddress, isLoopback } from './kinds/places.ts';
import { problemAt, type TypedSection } from './section.ts';
import type { SectionConfig } from './types.ts';

interface Note {
  readonly code: string;
  /** Those that it is about; it stands at the first of them that somebody has written. */
  readonly keys: readonly string[];
  /** undefined: there is nothing to say. @param text what has been written for a key */
  readonly message: (config: SectionConfig, text: (key: string) => string) => string | undefined;
}

const MIB = 1024 ** 2;
/** Less than a worker process and each of its threads were seen to take, on Node 20 and 24. */
const [BARE_WORKER, BARE_THREAD] = [56 * MIB, 9 * MIB];

const risks: readonly Note[] = [
  {
    code: 'PH_NOTE_GRACEFUL_TIMEOUT',
    keys: ['graceful_timeout', 'task_timeout'],
    message({ gracefulTimeout, taskTimeout }, text) {
      if (gracefulTimeout === 0)
        return 'is 0: what runs is killed at once at each stop, reload and replacement';
      if (gracefulTimeout >= taskTimeout) return undefined;
      return (
        `graceful_timeout (${text('graceful_timeout')}) is shorter than task_timeout (${text('task_timeout')}): ` +
        'at a stop, reload or replacement a task is killed that may still run'
      );
    },
  },
  {
    code: 'PH_NOTE_TIMEOUT_OFF',
    keys: ['timeout'],
    message: ({ timeout }) =>
      timeout === 0 ? 'is 0: nobody notices a worker process whose main thread hangs' : undefined,
  },
  {
    code: 'PH_NOTE_NOT_RESTARTED',
    keys: ['restart'],
    message({ restart, numberWorkers, bind }) {
      if (restart !== 'never' || (numberWorkers === 1 && bind === undefined)) return undefined;
      return 'is never: each worker process that crashes is missing from then on, until none is left';
    },
  },
  {
    code: 'PH_NOTE_MAX_MEMORY',
    keys: ['max_memory', 'threads'],
    message({ maxMemory, threads, minThreads = threads }, text) {
      const bare = BARE_WORKER + minThreads * BARE_THREAD;
      if (maxMemory === 0 || maxMemory >= bare) return undefined;
      return (
        `max_memory (${text('max_memory')}) is less than a worker process with ${minThreads} threads takes that does ` +
        `nothing, at least ${bare / MIB}M: it is replaced again and again`
      );
    },
  },
  {
    code: 'PH_NOTE_RPC_PUBLIC',
    keys: ['rpc_public', 'bind'],
    message({ rpcPublic, rpcToken, bind = [] }) {
      const open = bind.find(address => address.type === 'tcp' && !isLoopback(address.host));
      if (!rpcPublic || rpcToken !== undefined || open === undefined) return undefined;
      return `anyone who can reach ${formatAddress(open)} can call the tasks of this section; rpc_token would ask who it is`;
    },
  },
  {
    code: 'PH_NOTE_RPC_MAX_BODY',
    keys: ['rpc_max_body'],
    message: ({ rpcMaxBody, bind }) =>
      rpcMaxBody === 0 && bind ? 'is 0: a single request can take all memory' : undefined,
  },
  {
    code: 'PH_NOTE_RPC_REQUEST_TIMEOUT',
    keys: ['rpc_request_timeout'],
    message: ({ rpcRequestTimeout, bind }) =>
      rpcRequestTimeout === 0 && bind
        ? 'is 0: clients that stop halfway keep their connections for ever'
        : undefined,
  },
  {
    code: 'PH_NOTE_METRICS_PUBLIC',
    keys: ['metrics_bind'],
    message({ metricsBind: address }) {
      if (address?.type !== 'tcp' || isLoopback(address.host)) return undefined;
      return `anyone who can reach ${formatAddress(address)} can read the metrics and the status`;
    },
  },
  {
    code: 'PH_NOTE_LOG_MAX_SIZE',
    keys: ['log_max_size'],
    message: ({ logMaxSize, logFile }) =>
      logMaxSize === 0 && logFile !== undefined
        ? 'is 0: the log grows until the disk is full, unless another program moves it away and sends USR1'
        : undefined,
  },
  {
    code: 'PH_NOTE_NO_PIDFILE',
    keys: ['daemonize'],
    message: ({ daemonize, pidfile }) =>
      daemonize && pidfile === undefined
        ? 'without a pidfile nothing keeps a second daemon from being started beside the first'
        : undefined,
  },
];

/** Keys that have no effect beside others. */
const idle: readonly (Pick<Note, 'keys'> & {
  readonly reason: (config: SectionConfig) => string | undefined;
})[] = [
  {
    keys: [
      'min_threads',
      'concurrent_tasks_per_worker',
      'task_timeout',
      'abort_grace',
      'queue_timeout',
      'max_queue',
      'max_thread_memory',
    ],
    reason: ({ threads }) => (threads === 0 ? 'threads is 0' : undefined),
  },
  {
    keys: ['idle_timeout'],
    reason: ({ threads, minThreads = threads }) =>
      minThreads >= threads ? 'min_threads is not below threads, so that no thread ever ends' : undefined,
  },
  {
    keys: ['max_requests_jitter'],
    reason: ({ maxRequests }) => (maxRequests === 0 ? 'there is no max_requests' : undefined),
  },
  {
    keys: ['restart_delay', 'restart_delay_max', 'max_restarts', 'restart_window'],
    reason: ({ restart }) => (restart === 'never' ? 'restart is never' : undefined),
  },
  {
    keys: ['backlog', 'rpc_token', 'rpc_max_body', 'rpc_max_batch', 'rpc_request_timeout', 'rpc_stacks'],
    reason: withoutBind,
  },
  {
    keys: ['rpc_public'],
    reason: config =>
      withoutBind(config) ?? (config.rpcToken === undefined ? undefined : 'rpc_token is asked for'),
  },
  {
    keys: ['queue_url', 'queue_prefix', 'concurrency', 'lock_duration', 'max_stalled', 'queue_watchdog'],
    reason: ({ queue }) => (queue === undefined ? 'there is no queue' : undefined),
  },
  {
    keys: ['schedule_timezone'],
    reason: ({ schedule }) => (schedule === undefined ? 'there is no schedule' : undefined),
  },
  {
    keys: ['hook_timeout'],
    reason: ({ onReady, onExit, onFailed, onReload }) =>
      (onReady ?? onExit ?? onFailed ?? onReload) === undefined ? 'there is no hook' : undefined,
  },
  {
    keys: ['log_max_size', 'log_keep'],
    reason: ({ logFile }) => (logFile === undefined ? 'the log goes to stderr' : undefined),
  },
  {
    keys: ['single_instance'],
    reason: ({ pidfile }) =>
      pidfile === undefined ? 'there is no pidfile, which is what tells instances' : undefined,
  },
];

function withoutBind({ bind }: SectionConfig): string | undefined {
  return bind === undefined ? 'there is no bind' : undefined;
}

/** Of sections without a problem; what a key cannot do is said where it has effect in none of those that share it. */
export function notesOf(sections: readonly TypedSection[]): Problem[] {
  return [...sections.flatMap(risksOf), ...idleKeys(sections)];
}

function risksOf({ resolved, config }: TypedSection): Problem[] {
  const originOf = (key: string) => resolved.values.get(key)?.origin;
  return risks.flatMap(({ code, keys, message }) => {
    const text = message(config as SectionConfig, key => resolved.values.get(key)?.text ?? '');
    if (text === undefined) return [];
    const key = keys.find(each => originOf(each) !== undefined) ?? (keys[0] as string);
    return problemAt(resolved.name, key, originOf(key), code, text);
  });
}

function idleKeys(sections: readonly TypedSection[]): Problem[] {
  return idle.flatMap(({ keys, reason }) =>
    keys.flatMap(key => {
      const found = sections.flatMap(({ resolved, config }) => {
        const origin = resolved.values.get(key)?.origin;
        const isSet = origin !== undefined && config[camelCase(key) as keyof SectionConfig] !== undefined;
        return isSet ? [{ section: resolved.name, origin, why: reason(config as SectionConfig) }] : [];
      });
      const isUsed = ({ file, line }: { file: string; line?: number }) =>
        found.some(({ origin, why }) => origin.file === file && origin.line === line && why === undefined);
      return found
        .filter(({ origin }) => !isUsed(origin))
        .map(({ section, origin, why }) =>
          problemAt(section, key, origin, 'PH_NOTE_NO_EFFECT', `has no effect here: ${why}`),
        );
    }),
  );
}
