/** Signals to the supervisor: a handler only queues; the loop acts. */

export const handledSignals = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const;

export type HandledSignal = (typeof handledSignals)[number];

export class SignalQueue {
  readonly #queue: HandledSignal[] = [];
  readonly #handlers = new Map<HandledSignal, () => void>();

  /** `wake` is called after a signal has been queued. */
  constructor(wake: () => void) {
    for (const signal of handledSignals) {
      const handler = () => {
        this.#queue.push(signal);
        wake();
      };
      this.#handlers.set(signal, handler);
      process.on(signal, handler);
    }
  }

  /** All signals that came since the last call, in their order. */
  take(): readonly HandledSignal[] {
    return this.#queue.splice(0);
  }

  close(): void {
    for (const [signal, handler] of this.#handlers) process.removeListener(signal, handler);
  }
}
