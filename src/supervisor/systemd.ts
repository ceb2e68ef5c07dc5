/** What systemd is told where it runs `ph` as a service of `Type=notify`: see sd_notify(3). */

import { type ExecFileException, execFile } from 'node:child_process';

/** What says where systemd listens and whether it wants to hear from us; nothing of it is for workers or hooks. */
const variables = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/** systemd-notify waits until systemd has taken it in; ms. */
const notifyLimit = 5000;
/** `systemctl status` need not be newer than this; ms. */
const statusInterval = 1000;

export interface SystemdOptions {
  readonly env: NodeJS.ProcessEnv;
  /** How often systemd wants a sign of life, ms; undefined: not at all. */
  readonly watchdog: number | undefined;
  /** Told once of each way in which systemd cannot be reached. */
  readonly onTrouble: (message: string) => void;
}

/**
 * Takes the variables of systemd off `env`. The watchdog's is for the process that systemd has started: this one, the
 * one that has started it as its daemon, or the one that it is to replace.
 */
export function takeSystemd(
  env: NodeJS.ProcessEnv,
  standsForAnother: boolean,
): Omit<SystemdOptions, 'onTrouble'> {
  const { NOTIFY_SOCKET, WATCHDOG_USEC = '', WATCHDOG_PID = String(process.pid) } = env;
  for (const name of variables) delete env[name];
  const isForUs = standsForAnother || WATCHDOG_PID === String(process.pid);
  const isWanted = NOTIFY_SOCKET !== undefined && isForUs && /^[1-9]\d*$/.test(WATCHDOG_USEC);
  return { env: { ...env, NOTIFY_SOCKET }, watchdog: isWanted ? Number(WATCHDOG_USEC) / 1000 : undefined };
}

/** Does nothing where nobody listens. What it is told arrives in that order. */
export class Systemd {
  readonly #options: SystemdOptions;
  readonly #troubles = new Set<string>();
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isReady = false;
  #isClosed = false;
  #status = '';
  #statusAt = Number.NEGATIVE_INFINITY;
  #aliveAt = Number.NEGATIVE_INFINITY;

  constructor(options: SystemdOptions) {
    this.#options = options;
  }

  /** The service is ready and this process its main one. Resolves once systemd knows: the one before may exit then. */
  ready(status: string): Promise<void> {
    this.#isReady = true;
    this.#noteStatus(status);
    return this.#send('READY=1', `MAINPID=${process.pid}`, statusLine(status));
  }

  /** A reload has begun; `reloaded` follows, whatever comes of it. Before it is ready, systemd waits for that. */
  reloading(): void {
    if (!this.#isReady) return;
    // The clock of `Type=notify-reload`, which tells this message from those before the reload; CLOCK_MONOTONIC.
    void this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  reloaded(status: string): void {
    if (!this.#isReady) return;
    this.#noteStatus(status);
    void this.#send('READY=1', statusLine(status));
  }

  stopping(): void {
    void this.#send('STOPPING=1', statusLine('stopping'));
  }

  /** Another process is the main one from now on, and speaks for the service. */
  retire(): void {
    this.#isClosed = true;
  }

  /** Called at every tick: a sign of life that is due, and a status that has changed. */
  tick(status: () => string): void {
    const { watchdog, env } = this.#options;
    // What waits is tried again at a later tick: a systemd that does not answer must not let messages pile up.
    if (!env.NOTIFY_SOCKET || this.#isClosed || this.#waiting > 0) return;
    const now = performance.now();
    if (watchdog !== undefined && this.#isReady && now - this.#aliveAt >= watchdog / 2) {
      this.#aliveAt = now;
      void this.#send('WATCHDOG=1');
    }
    if (now - this.#statusAt < statusInterval) return;
    const text = status();
    if (text === this.#status) return;
    this.#noteStatus(text);
    void this.#send(statusLine(text));
  }

  /** Resolves when nothing waits any more; nothing is sent after that. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#queue;
  }

  #noteStatus(status: string): void {
    this.#status = status;
    this.#statusAt = performance.now();
  }

  #send(...assignments: string[]): Promise<void> {
    if (!this.#options.env.NOTIFY_SOCKET || this.#isClosed) return Promise.resolve();
    this.#waiting++;
    this.#queue = this.#queue
      .then(() => notify(assignments, this.#options.env))
      .catch((error: Error) => this.#onFailure(error))
      .finally(() => this.#waiting--);
    return this.#queue;
  }

  #onFailure({ message }: Error): void {
    if (this.#troubles.has(message)) return;
    this.#troubles.add(message);
    this.#options.onTrouble(message);
  }
}

function statusLine(status: string): string {
  return `STATUS=${status.replaceAll('\n', ' ')}`;
}

/** Node cannot send to a Unix datagram socket. The options that stand for some assignments came later than these. */
function notify(assignments: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', assignments, { env, timeout: notifyLimit }, (error, _stdout, stderr) => {
      if (error) reject(new Error(reasonOf(error, stderr), { cause: error }));
      else resolve();
    });
  });
}

function reasonOf(error: ExecFileException, stderr: string): string {
  if (error.code === 'ENOENT') return 'systemd cannot be told anything: there is no systemd-notify in PATH';
  return `systemd-notify: ${stderr.trim() || error.message}`;
}
