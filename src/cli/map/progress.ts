/** The progress line of `ph map` on a terminal; what else is printed there goes above it. */

import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

/** How often it is drawn, ms. */
const INTERVAL = 100;
/** The rate is that of the last seconds: it changes with what the inputs cost. */
const RATE_SPAN = 10_000;
const BAR_WIDTH = 24;
const ERASE_LINE = '\r\x1b[K';
const LF = 0x0a;

export interface ProgressState {
  /** Inputs that are done, those of an earlier run included. */
  readonly done: number;
  readonly failed: number;
  /** How much of the whole is done, 0 to 1; undefined where nobody knows the whole. */
  readonly fraction: number | undefined;
}

interface Sample extends ProgressState {
  readonly time: number;
}

export class Progress {
  readonly #terminal: WriteStream | undefined;
  readonly #samples: Sample[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isShown = false;
  /** Someone has printed half a line: it must not be drawn over. */
  #isHeld = false;

  /** @param terminal undefined: nothing is drawn */
  constructor(terminal: WriteStream | undefined) {
    this.#terminal = terminal;
  }

  start(state: () => ProgressState): void {
    if (this.#terminal) this.#timer = setInterval(() => this.#draw(state()), INTERVAL).unref();
  }

  /** Takes it away until it is drawn the next time. */
  hide(): void {
    if (this.#isShown) this.#terminal?.write(ERASE_LINE);
    this.#isShown = false;
  }

  end(): void {
    clearInterval(this.#timer);
    this.hide();
  }

  /** For whoever prints on the terminal while the line is there. That nobody reads it any more is no error. */
  above(stream: Writable): Writable {
    stream.on('error', () => {});
    return new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        this.hide();
        this.#isHeld = chunk.at(-1) !== LF;
        stream.write(chunk, () => callback());
      },
    });
  }

  #draw(state: ProgressState): void {
    const sample = { ...state, time: performance.now() };
    this.#samples.push(sample);
    while ((this.#samples[1]?.time ?? Number.POSITIVE_INFINITY) < sample.time - RATE_SPAN)
      this.#samples.shift();
    if (this.#isHeld) return;
    const text = progressText(this.#samples[0] as Sample, sample);
    this.#terminal?.write(`${ERASE_LINE}${text.slice(0, (this.#terminal.columns || 80) - 1)}`);
    this.#isShown = true;
  }
}

/** `[######------------------]  25 %  1,000 done  2 failed  12,345/s  3 s left` */
function progressText(first: Sample, now: Sample): string {
  const seconds = (now.time - first.time) / 1000;
  const rate = seconds > 0 ? (now.done - first.done) / seconds : undefined;
  return [
    now.fraction !== undefined && bar(now.fraction),
    `${count(now.done)} done`,
    now.failed > 0 && `${count(now.failed)} failed`,
    rate !== undefined && formatRate(rate),
    timeLeft(first, now, seconds),
  ]
    .filter(Boolean)
    .join('  ');
}

function bar(fraction: number): string {
  const full = Math.round(fraction * BAR_WIDTH);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${String(Math.floor(fraction * 100)).padStart(3)} %`;
}

function timeLeft(first: Sample, now: Sample, seconds: number): string | undefined {
  if (now.fraction === undefined || first.fraction === undefined) return undefined;
  const speed = (now.fraction - first.fraction) / seconds;
  return speed > 0 ? `${formatSeconds((1 - now.fraction) / speed)} left` : undefined;
}

/** `1,234,567` */
export function count(number: number): string {
  return number.toLocaleString('en-US');
}

/** Per second; `0.25/s` for what takes long. */
export function formatRate(rate: number): string {
  return rate >= 10 || rate === 0 ? `${count(Math.round(rate))}/s` : `${Number(rate.toPrecision(2))}/s`;
}

/** `35 ms`, `2.4 s`, `12 s`, `3 min 5 s`, `2 h 7 min` */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
