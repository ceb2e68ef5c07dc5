/** A view on the whole screen that is brought up to date again and again, until it is to end. */

import { setTimeout as delay } from 'node:timers/promises';
import { withResolvers } from '../../promise.ts';
import { type Line, renderLine } from './line.ts';
import { lookOf } from './look.ts';
import { Screen } from './screen.ts';

export interface LiveOptions {
  /** Gets what is shown next. */
  refresh(): Promise<void>;
  lines(size: { readonly columns: number; readonly rows: number }): readonly Line[];
  onKey(key: string): void;
}

/** Between two updates, ms. */
const INTERVAL = 1000;

export class LiveView {
  readonly #options: LiveOptions;
  readonly #screen: Screen;
  readonly #ended = withResolvers<void>();
  readonly #abort = new AbortController();

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#screen = new Screen({
      stdout: process.stdout,
      stdin: process.stdin.isTTY ? process.stdin : undefined,
      onKey: key => {
        options.onKey(key);
        this.draw();
      },
      onRedraw: () => this.draw(),
      onQuit: () => this.end(),
    });
  }

  /** Resolves when it has ended; rejects with what `refresh` throws. The terminal is then as it was. */
  async run(): Promise<void> {
    this.#screen.open();
    try {
      while (!this.#abort.signal.aborted) {
        // Whoever wants to go does not wait for a supervisor that is stuck.
        await Promise.race([this.#options.refresh(), this.#ended.promise]);
        this.draw();
        await delay(INTERVAL, undefined, { signal: this.#abort.signal }).catch(() => {});
      }
    } finally {
      this.#screen.close();
    }
  }

  end(): void {
    this.#abort.abort();
    this.#ended.resolve();
  }

  draw(): void {
    const { columns, rows } = this.#screen;
    const { colour } = lookOf(process.stdout, process.env);
    const lines = this.#options.lines({ columns, rows });
    this.#screen.draw(lines.map(line => renderLine(line, { width: columns, colour })));
  }
}
