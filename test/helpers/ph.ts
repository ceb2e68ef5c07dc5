/** A real `ph` in a process of its own, whose log is followed as events. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { childrenOf, isAlive, until } from './processes.ts';
import { packageRoot } from './project.ts';

/** One line of the log. */
export interface LogRecord {
  readonly level: number;
  readonly msg: string;
  readonly pid?: number;
  readonly section?: string;
  readonly index?: number;
  readonly workerPid?: number;
  readonly exit?: string;
  readonly [key: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface PhOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A command that ends in running what follows it: `['bash', '-c', 'ulimit -n 64; exec "$@"', 'bash']`. */
  readonly launcher?: readonly string[];
  /** Open files that it has as its fds from 3 on. */
  readonly fds?: readonly number[];
}

type Match = string | RegExp | ((record: LogRecord) => boolean);

export const phEntry = join(packageRoot, 'dist/cli/main.js');

/** How long a test waits for a log line before it fails, ms. */
const patience = 20_000;

/** Starts `ph` with JSON logs on stderr. When the test ends, it and all of its workers are gone, whatever happened. */
export function startPh(
  t: TestContext,
  args: readonly string[],
  { cwd, env, launcher = [], fds = [] }: PhOptions,
): Ph {
  const [command, ...rest] = [...launcher, process.execPath, phEntry, ...args];
  const child = spawn(command as string, rest, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...fds],
  });
  const ph = new Ph(child);
  cleanUp(t, () => ph.destroy());
  return ph;
}

/** Runs `ph` to its end. */
export function runPh(t: TestContext, args: readonly string[], options: PhOptions): Promise<Exit> {
  return startPh(t, args, options).exit;
}

export class Ph {
  readonly records: LogRecord[] = [];
  /** Its exit and the end of its output, which those who have taken over from it go on writing. */
  readonly exit: Promise<Exit>;
  /** Its exit alone. */
  readonly ended: Promise<Pick<Exit, 'code' | 'signal'>>;
  readonly #child: ChildProcess;
  /** Every worker that was ever ready. */
  readonly #workers = new Set<number>();
  /** Supervisors that an upgrade has started. */
  readonly #successors = new Set<number>();
  readonly #waiting = new Set<() => void>();
  #isClosed = false;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', chunk => {
      this.#stdout += chunk;
    });
    createInterface({ input: child.stderr as NonNullable<typeof child.stderr> }).on('line', line =>
      this.#onLine(line),
    );
    this.ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    this.exit = once(child, 'close').then(([code, signal]) => {
      this.#isClosed = true;
      for (const check of [...this.#waiting]) check();
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Worker processes that live now. */
  get workers(): number[] {
    return childrenOf(this.pid);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The first record that matches, from the `from`-th on; waits for it. Rejects where `ph` exits without it. */
  async log(match: Match, from = 0): Promise<LogRecord> {
    const [record] = await this.logs(match, 1, from);
    return record as LogRecord;
  }

  /** The first `count` records that match, from the `from`-th on; waits for them. */
  logs(match: Match, count: number, from = 0): Promise<LogRecord[]> {
    const matches = toPredicate(match);
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        action();
      };
      const fail = (why: string) =>
        settle(() =>
          reject(new Error(`${why} before ${count} × ${match} was logged:\n${this.#stderr.slice(-4000)}`)),
        );
      const check = () => {
        const found = this.records.slice(from).filter(matches);
        if (found.length >= count) settle(() => resolve(found.slice(0, count)));
        else if (this.#isClosed) fail('ph exited');
      };
      const timer = setTimeout(() => fail(`${patience} ms passed`), patience);
      this.#waiting.add(check);
      check();
    });
  }

  /** Waits for the line that says so, and returns the pids of the workers by index. */
  async ready(): Promise<Map<number, number>> {
    await this.log(/^all workers ready|^started, but workers could not boot/);
    return new Map(
      this.records.filter(isReadyLine).map(({ index, workerPid }) => [index as number, workerPid as number]),
    );
  }

  /** The next worker that becomes ready after the `from`-th record. */
  async nextReady(from: number): Promise<{ index: number; pid: number }> {
    const { index, workerPid } = await this.log(isReadyLine, from);
    return { index: index as number, pid: workerPid as number };
  }

  /** TERM, and the exit that follows. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.exit;
  }

  /** Ends `ph` and every worker it had; resolves when all are gone. */
  async destroy(): Promise<void> {
    const supervisors = [this.pid, ...this.#successors].filter(isAlive);
    const pids = new Set([...this.#workers, ...supervisors.flatMap(childrenOf), ...this.#successors]);
    if (!this.hasExited) this.#child.kill('SIGKILL');
    for (const pid of pids) kill(pid);
    await this.exit;
    await until('all processes of the test are gone', () => [...pids].every(pid => !isAlive(pid)));
  }

  #onLine(line: string): void {
    this.#stderr += `${line}\n`;
    const record = parseRecord(line);
    if (record) {
      this.records.push(record);
      if (isReadyLine(record)) this.#workers.add(record.workerPid as number);
      if (record.successor !== undefined) this.#successors.add(record.successor as number);
    }
    for (const check of [...this.#waiting]) check();
  }
}

export function isReadyLine({ msg, workerPid }: LogRecord): boolean {
  return workerPid !== undefined && / ready after /.test(msg);
}

function toPredicate(match: Match): (record: LogRecord) => boolean {
  if (typeof match === 'function') return match;
  return ({ msg }) => (typeof match === 'string' ? msg.includes(match) : match.test(msg));
}

function parseRecord(line: string): LogRecord | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** By its group: a worker leads one, and what it started is in it. */
function kill(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
}
