/** A program that uses a pool, in a process of its own: it can be killed, and nothing that it fails to handle is lost. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { basicTasks } from './pool.ts';
import { isAlive, until } from './processes.ts';
import { createProject } from './project.ts';

/** What its source may use. Worker processes are told as soon as there are any. */
const prelude = `
import { readdirSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as processhandler from 'processhandler';

const say = (what, value) => writeSync(1, JSON.stringify({ what, value }) + '\\n');
for (const event of ['uncaughtException', 'unhandledRejection', 'warning']) {
  process.on(event, error => say('trouble', event + ': ' + (error?.stack ?? error)));
}
const workers = () => {
  const pids = readdirSync('/proc').filter(name => /^\\d+$/.test(name)).map(Number);
  return pids.filter(pid => {
    try {
      const stat = readFileSync('/proc/' + pid + '/stat', 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(parent) === process.pid && state !== 'Z';
    } catch { return false; }
  });
};
const createPool = options => {
  const created = processhandler.createPool(new URL('./tasks.mjs', import.meta.url), {
    processes: 1, threads: 1, restartDelay: 1, restartDelayMax: 50, maxRestarts: 1000000, ...options,
  });
  const tell = () => say('workers', workers());
  tell();
  created.then(pool => { tell(); pool.on('process:ready', tell); }, () => {});
  return created;
};
`;

interface Line {
  readonly what: string;
  readonly value: unknown;
}

export interface CallerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** When the test ends, it and its workers are gone. */
export function startCaller(t: TestContext, source: string, tasks = ''): Caller {
  const project = createProject(t, { 'tasks.mjs': basicTasks + tasks, 'caller.mjs': prelude + source });
  const child = spawn(process.execPath, ['caller.mjs'], {
    cwd: project.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const caller = new Caller(child);
  cleanUp(t, () => caller.destroy());
  return caller;
}

export class Caller {
  readonly exit: Promise<CallerExit>;
  readonly #child: ChildProcess;
  readonly #lines: Line[] = [];
  readonly #waiting = new Set<() => void>();
  #output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream as NonNullable<typeof stream> }).on('line', line => this.#onLine(line));
    }
    this.exit = once(child, 'close').then(([code, signal]) => {
      for (const check of [...this.#waiting]) check();
      return { code, signal };
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** All that came, for a message. */
  get output(): string {
    return this.#output;
  }

  /** Worker processes that it ever had. */
  get workers(): number[] {
    const told = this.#lines
      .filter(({ what }) => what === 'workers')
      .flatMap(({ value }) => value as number[]);
    return [...new Set(told)];
  }

  /** What it did not handle: errors and warnings. */
  get troubles(): string[] {
    return this.#lines.filter(({ what }) => what === 'trouble').map(({ value }) => String(value));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The value of the first line that says so; waits for it. */
  said(what: string, limit = 20_000): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        action();
      };
      const fail = (why: string) =>
        settle(() => reject(new Error(`${why} before it said ${what}:\n${this.#output.slice(-4000)}`)));
      const check = () => {
        const line = this.#lines.find(line => line.what === what);
        if (line) settle(() => resolve(line.value));
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) fail('the caller exited');
      };
      const timer = setTimeout(() => fail(`${limit} ms passed`), limit);
      this.#waiting.add(check);
      check();
    });
  }

  /** Its exit, and that of all of its workers, within `limit` ms. */
  async gone(limit = 15_000): Promise<CallerExit> {
    await until('the caller has exited', () => !isAlive(this.pid), limit);
    await until('its workers are gone', () => !this.workers.some(isAlive), limit);
    return this.exit;
  }

  async destroy(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exit;
    // They end by themselves within 2 s; a test that says so has failed by now if they do not.
    await until('its workers are gone', () => !this.workers.some(isAlive)).catch(() => {
      for (const pid of this.workers) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    });
  }

  #onLine(line: string): void {
    this.#output += `${line}\n`;
    try {
      this.#lines.push(JSON.parse(line));
    } catch {
      // What a worker printed.
    }
    for (const check of [...this.#waiting]) check();
  }
}
