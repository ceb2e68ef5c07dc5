/** What each signal asks a supervisor to do. */

import type { ContainerRole } from './container.ts';
import type { HandledSignal } from './signals.ts';

/** What can be asked of a supervisor. */
export interface Asked {
  stop(reason: string): void;
  endAtOnce(reason: string): void;
  reload(): Promise<void>;
  upgrade(): Promise<unknown>;
  scale(step: number): void;
  idle(): void;
  reopenLogs(): void;
}

/** A Ctrl-C of a container's terminal reaches this process, and its shell, which passes it on: a second time, ms. */
const echoTime = 200;

export class Verbs {
  readonly #asked: Asked;
  readonly #container: ContainerRole;
  #interruptedAt: number | undefined;
  readonly #bySignal: Readonly<Record<HandledSignal, () => void>>;

  constructor(asked: Asked, container: ContainerRole) {
    this.#asked = asked;
    this.#container = container;
    // Whoever sends a signal reads in the log what has become of it.
    const unawaited = (outcome: Promise<unknown>) => void outcome.catch(() => {});
    this.#bySignal = {
      SIGTERM: () => asked.stop('SIGTERM'),
      SIGINT: () => this.#interrupt(),
      SIGQUIT: () => asked.endAtOnce('SIGQUIT'),
      SIGHUP: () => unawaited(asked.reload()),
      SIGTTIN: () => asked.scale(1),
      SIGTTOU: () => asked.scale(-1),
      SIGUSR1: () => asked.reopenLogs(),
      SIGUSR2: () => unawaited(asked.upgrade()),
      SIGWINCH: () => asked.idle(),
    };
  }

  act(signal: HandledSignal): void {
    this.#bySignal[signal]();
  }

  #interrupt(): void {
    const now = performance.now();
    const echo = this.#container === 'under-shell' ? echoTime : 0;
    if (this.#interruptedAt === undefined) this.#asked.stop('SIGINT');
    else if (now - this.#interruptedAt > echo) this.#asked.endAtOnce('a second SIGINT');
    this.#interruptedAt ??= now;
  }
}
