/**
 * A terminal's whole screen, for as long as a command draws on it. However that ends (a key, a signal, an error), the
 * terminal is as it was: its screen, its cursor, its modes.
 */

import { emitKeypressEvents, type Key } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';

/** The alternate screen, without a cursor, without lines that wrap. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** A terminal that knows these shows what is between them at once. */
const BEGIN_FRAME = '\x1b[?2026h';
const END_FRAME = '\x1b[?2026l';
const ERASE_REST_OF_LINE = '\x1b[K';
const ERASE_REST_OF_SCREEN = '\x1b[J';

/** Of a terminal that does not know its size. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

const endingSignals = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export interface ScreenOptions {
  readonly stdout: WriteStream;
  /** Whose keys are read; undefined where it is no terminal. */
  readonly stdin: ReadStream | undefined;
  /** By name: `q`, `up`, `escape`, `+`. What ends or suspends the program is none of them. */
  readonly onKey: (key: string) => void;
  /** Nothing of the last frame is left: draw. */
  readonly onRedraw: () => void;
  /** Ctrl-C, or the terminal has gone: the command is to end. */
  readonly onQuit: () => void;
}

export class Screen {
  readonly #options: ScreenOptions;
  /** What is shown, line by line; undefined: unknown. */
  #shown: readonly string[] | undefined;
  #isOpen = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
    if (options.stdin) emitKeypressEvents(options.stdin);
  }

  get columns(): number {
    return this.#options.stdout.columns || DEFAULT_SIZE.columns;
  }

  get rows(): number {
    return this.#options.stdout.rows || DEFAULT_SIZE.rows;
  }

  open(): void {
    const { stdin, stdout, onQuit } = this.#options;
    this.#enter();
    stdin?.on('keypress', this.#onKeypress).on('end', onQuit).on('error', onQuit);
    stdout.on('resize', this.#redraw).on('error', onQuit);
    process.on('SIGINT', onQuit).on('SIGCONT', this.#resume);
    for (const signal of endingSignals) process.on(signal, this.#endBy);
    // Before an error is printed, which must not be on the screen that goes.
    process.on('uncaughtExceptionMonitor', this.#leave).on('exit', this.#leave);
  }

  close(): void {
    const { stdin, stdout, onQuit } = this.#options;
    this.#leave();
    stdin?.off('keypress', this.#onKeypress).off('end', onQuit).off('error', onQuit).pause();
    stdout.off('resize', this.#redraw);
    process.off('SIGINT', onQuit).off('SIGCONT', this.#resume);
    for (const signal of endingSignals) process.off(signal, this.#endBy);
    process.off('uncaughtExceptionMonitor', this.#leave).off('exit', this.#leave);
  }

  /** Shows these lines, which are not wider than the screen; writes only what has changed, and all at once. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const visible = lines.slice(0, this.rows);
    const shown = this.#shown;
    const changes = visible.map((line, index) =>
      // Erased before, not after: behind a line of the whole width, its last character would go.
      shown?.[index] === line ? '' : moveTo(index) + ERASE_REST_OF_LINE + line,
    );
    if (visible.length < this.rows && visible.length < (shown?.length ?? this.rows))
      changes.push(moveTo(visible.length) + ERASE_REST_OF_SCREEN);
    this.#shown = visible;
    const text = changes.join('');
    if (text !== '') this.#options.stdout.write(BEGIN_FRAME + text + END_FRAME);
  }

  #enter(): void {
    this.#isOpen = true;
    this.#shown = undefined;
    this.#options.stdin?.setRawMode(true).resume();
    this.#options.stdout.write(ENTER);
  }

  readonly #leave = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.stdout.write(LEAVE);
    this.#options.stdin?.setRawMode(false);
  };

  readonly #redraw = (): void => {
    this.#shown = undefined;
    this.#options.onRedraw();
  };

  readonly #onKeypress = (text: string | undefined, { name, ctrl, sequence }: Key): void => {
    if (ctrl && name === 'c') this.#options.onQuit();
    else if (ctrl && name === 'z') this.#suspend();
    else if (ctrl && name === 'l') this.#redraw();
    else if (!ctrl) this.#options.onKey(keyName(text, name, sequence));
  };

  /** As the terminal would do it: the whole job stops. Goes on here once it is continued. */
  #suspend(): void {
    this.#leave();
    process.kill(0, 'SIGTSTP');
    this.#resume();
  }

  /** Others may have written on the terminal meanwhile. */
  readonly #resume = (): void => {
    this.#enter();
    this.#options.onRedraw();
  };

  /** Leaves the screen, and then the signal does what it does to any program. */
  readonly #endBy = (signal: (typeof endingSignals)[number]): void => {
    this.close();
    process.kill(process.pid, signal);
  };
}

function moveTo(row: number): string {
  return `\x1b[${row + 1};1H`;
}

/** A character is its own name, upper case included. */
function keyName(text: string | undefined, name: string | undefined, sequence: string | undefined): string {
  if (text !== undefined && /^[!-~]$/.test(text)) return text;
  return name ?? sequence ?? '';
}
