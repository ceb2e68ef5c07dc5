/** Runs the commands of hooks: few at a time, each within its time, and nothing of them is left afterwards. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { HookEvent, HookName } from './hook-events.ts';

/** A hook: each runs one command at a time, so that it is told of events in their order. */
export interface Hook {
  readonly name: HookName;
  /** undefined: of all sections. */
  readonly section: string | undefined;
}

export interface HookCall extends Hook {
  /** For `/bin/sh -c`. */
  readonly command: string;
  readonly event: HookEvent;
  /** How long it may run, ms. */
  readonly limit: number;
  readonly directory: string;
}

export interface HookRunnerOptions {
  /** Tells what went wrong with a hook. */
  readonly onTrouble: (hook: Hook, message: string) => void;
  /** Takes over what a command prints. */
  readonly collect: (
    output: Hook & { readonly pid: number; readonly stdout: Readable; readonly stderr: Readable },
  ) => void;
}

/** Commands that run at a time, of all hooks; events that wait for one hook. More than these are lost, and counted. */
export const maxRunning = 8;
export const maxWaiting = 32;
/** After its exit the pipes of a command may be held open by a process that it has left in another group, ms. */
const pipesGrace = 200;

export class HookRunner {
  readonly #options: HookRunnerOptions;
  readonly #waiting: HookCall[] = [];
  /** What kills each. */
  readonly #running = new Map<string, () => void>();
  readonly #lost = new Map<string, number>();
  /** Those who wait until nothing is left to do. */
  readonly #idle: (() => void)[] = [];
  #isOver = false;

  constructor(options: HookRunnerOptions) {
    this.#options = options;
  }

  /** Runs it as soon as there is room. */
  run(call: HookCall): void {
    if (this.#isOver) return;
    const key = keyOf(call);
    if (this.#waiting.filter(other => keyOf(other) === key).length >= maxWaiting) {
      if (!this.#lost.has(key)) {
        this.#trouble(call, `${maxWaiting} events wait for it already: what comes now is lost, and counted`);
      }
      this.#countLost(call);
      return;
    }
    this.#waiting.push(call);
    this.#next();
  }

  /** Resolves when all are done; after `limit` ms those that still run are killed, and those that wait are dropped. */
  async close(limit: number): Promise<void> {
    const timer = setTimeout(() => this.quit(), limit);
    await this.#done();
    clearTimeout(timer);
  }

  /** Kills those that run and drops those that wait. */
  quit(): void {
    this.#isOver = true;
    const dropped = this.#waiting.splice(0);
    for (const call of dropped) this.#countLost(call);
    for (const call of dropped) this.#tellLost(call);
    for (const kill of this.#running.values()) kill();
    this.#next();
  }

  #next(): void {
    for (const call of [...this.#waiting]) {
      if (this.#running.size >= maxRunning) break;
      if (this.#running.has(keyOf(call))) continue;
      this.#waiting.splice(this.#waiting.indexOf(call), 1);
      this.#tellLost(call);
      void this.#execute(call);
    }
    if (this.#waiting.length > 0 || this.#running.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #done(): Promise<void> {
    return new Promise(resolve => {
      this.#idle.push(resolve);
      this.#next();
    });
  }

  async #execute(call: HookCall): Promise<void> {
    let killed: string | undefined;
    let child: ChildProcess | undefined;
    const kill = (why: string) => {
      killed ??= `killed: ${why}`;
      if (child) killGroup(child);
    };
    this.#running.set(keyOf(call), () => kill('ph stops'));
    const overdue = `it ran longer than ${call.limit / 1000} s (hook_timeout)`;
    const timer = setTimeout(() => kill(overdue), call.limit);
    let failure: string | undefined;
    try {
      child = start(call);
      failure = await this.#end(child, call);
    } catch (error) {
      failure = `cannot be started: ${(error as Error).message}`;
    }
    clearTimeout(timer);
    this.#running.delete(keyOf(call));
    if (killed ?? failure) this.#trouble(call, killed ?? failure);
    this.#next();
  }

  /** Resolves when nothing of it is left, to what went wrong. Rejects where it could not be started. */
  async #end(child: ChildProcess, call: HookCall): Promise<string | undefined> {
    const { pid, stdin, stdout, stderr } = child;
    // Some commands do not read what they are told.
    stdin?.on('error', () => {});
    stdin?.end(`${JSON.stringify(call.event)}\n`);
    if (pid !== undefined && stdout && stderr)
      this.#options.collect({ ...hookOf(call), pid, stdout, stderr });
    const closed = new Promise(resolve => child.once('close', resolve));
    const [code, signal] = await once(child, 'exit');
    killGroup(child);
    await Promise.race([closed, delay(pipesGrace)]);
    if (signal !== null) return `killed by ${signal}`;
    return code === 0 ? undefined : `exited with code ${code}`;
  }

  #countLost(call: HookCall): void {
    this.#lost.set(keyOf(call), (this.#lost.get(keyOf(call)) ?? 0) + 1);
  }

  #tellLost(call: HookCall): void {
    const lost = this.#lost.get(keyOf(call));
    if (lost === undefined) return;
    this.#lost.delete(keyOf(call));
    this.#trouble(call, `${lost} ${lost === 1 ? 'event was' : 'events were'} lost`);
  }

  #trouble(call: HookCall, message = ''): void {
    this.#options.onTrouble(hookOf(call), message);
  }
}

function hookOf({ name, section }: Hook): Hook {
  return { name, section };
}

function keyOf({ name, section }: Hook): string {
  return `${name} ${section ?? ''}`;
}

function start({ command, directory, event }: HookCall): ChildProcess {
  const { PH_SECTION: _, ...env } = process.env;
  return spawn('/bin/sh', ['-c', command], {
    cwd: directory,
    env: { ...env, PH_EVENT: event.event, ...(event.section !== null && { PH_SECTION: event.section }) },
    // A group of its own: what it starts can be ended with it, and a terminal's Ctrl-C does not reach it.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // No process is left in the group.
  }
}
