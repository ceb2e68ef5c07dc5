/** Claimants of a pidfile in processes of their own, ended with the test. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanUp } from '../helpers/cleanup.ts';

const entry = fileURLToPath(new URL('fixtures/claimant.mjs', import.meta.url));

export interface Answer {
  readonly won: boolean;
  /** What the pidfile held while it was won. */
  readonly content?: number;
  readonly code?: string;
  readonly pid?: number;
  readonly message?: string;
}

export class Claimant {
  readonly #child: ChildProcess;
  readonly started: Promise<unknown>;

  constructor(t: TestContext, path: string, launcher: readonly string[]) {
    const [execPath, ...execArgv] = [...launcher, process.execPath];
    this.#child = fork(entry, [path], { execPath: execPath as string, execArgv });
    this.started = once(this.#child, 'message');
    cleanUp(t, () => this.kill());
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async tell(verb: 'claim' | 'release'): Promise<Answer> {
    const answer = once(this.#child, 'message');
    this.#child.send(verb);
    return (await answer)[0];
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

/** Resolves when its process can be told to claim. `launcher` is a command that ends in running what follows it. */
export async function startClaimant(
  t: TestContext,
  path: string,
  launcher: readonly string[] = [],
): Promise<Claimant> {
  const claimant = new Claimant(t, path, launcher);
  await claimant.started;
  return claimant;
}
