/** Errors of the server of a queue: which of them pass by themselves, and what they are called. */

/** Of the network. */
const networkCodes: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

/** PostgreSQL: connections, authorization, no such database, read-only, deadlocks, resources, operator, system. */
const sqlClasses = /^(08|28|3D|25006|40|53|57|58)/;

/** Redis says in its first word what is the matter; errors of its scripts quote it. */
const redisWords =
  /\b(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|NOAUTH|WRONGPASS|NOPERM|BUSY|max number of clients)\b/;

/** What the drivers say by themselves. */
const driverWords =
  /connection is closed|connection terminated|connection timeout|socket timeout|isn't writeable|connection error|connection ended|timeout exceeded|read timeout|max retries per request|command timed out/i;

/** Whether the server, or the way to it, is to blame: what was asked may well succeed later. */
export function isServerTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isServerTrouble);
  const { code } = error as NodeJS.ErrnoException;
  return (
    networkCodes.has(code) ||
    (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && sqlClasses.test(code)) ||
    redisWords.test(error.message) ||
    driverWords.test(error.message)
  );
}

/** One line for people. The drivers' errors hold commands, and with them passwords: nothing else of them is shown. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Of a host with several addresses, none of which answers.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  const { code } = error as NodeJS.ErrnoException;
  return (error.message || code || error.name).split('\n', 1)[0] as string;
}
