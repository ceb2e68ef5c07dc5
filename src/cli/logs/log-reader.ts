/** Reads a chain of log files forward, also while it grows, is rotated, or is cut off. */

import { LineSplitter } from '../../log/lines.ts';
import type { LogChain, LogFile } from './log-chain.ts';
import { type LineFilter, type LogLine, matches, parseLine } from './log-line.ts';
import type { Position } from './start.ts';

/** A line with a time, its own or that of the line before it. */
export type TimedLine = LogLine & { readonly time: number };

const CHUNK = 256 * 1024;

export class LogReader {
  readonly #chain: LogChain;
  readonly #filter: LineFilter;
  #file: LogFile | undefined;
  #offset: number;
  #splitter = new LineSplitter();
  #lines: TimedLine[] = [];
  #next = 0;
  #time: number;

  /** @param start undefined: there is no file yet, and what comes is read from its beginning */
  constructor(chain: LogChain, filter: LineFilter, start: Position | undefined) {
    this.#chain = chain;
    this.#filter = filter;
    this.#file = start && chain.find(start.file);
    this.#offset = this.#file && start ? start.offset : 0;
    this.#time = start?.time ?? 0;
  }

  /** The next line that matches; undefined: there is none yet. */
  peek(): TimedLine | undefined {
    while (this.#next >= this.#lines.length && this.#readOn());
    return this.#lines[this.#next];
  }

  take(): void {
    this.#next++;
  }

  /** Where the last line has no line feed it may still grow; now it is a line. */
  end(): void {
    this.#lines = this.#select(this.#splitter.end());
    this.#next = 0;
  }

  /** Whether there was more. */
  #readOn(): boolean {
    this.#file ??= this.#chain.newest();
    if (!this.#file) return false;
    return this.#readChunk(this.#file) || this.#restart(this.#file) || this.#goOn(this.#file);
  }

  #readChunk(file: LogFile): boolean {
    const chunk = file.read(this.#offset, CHUNK);
    if (chunk.length === 0) return false;
    this.#offset += chunk.length;
    this.#lines = this.#select(this.#splitter.push(chunk));
    this.#next = 0;
    return true;
  }

  /** Someone has cut the file off: what is there now is new. */
  #restart(file: LogFile): boolean {
    if (file.size >= this.#offset) return false;
    this.#offset = 0;
    this.#splitter = new LineSplitter();
    return true;
  }

  /** To the next file, once something is in it: until then its writer may still write this one. */
  #goOn(file: LogFile): boolean {
    const newer = this.#chain.newer(file);
    if (!newer) return false;
    if (newer.size === 0 && this.#chain.isNewest(newer)) {
      newer.close();
      return false;
    }
    // What was written between the last look and the change.
    if (this.#readChunk(file)) {
      newer.close();
      return true;
    }
    this.end();
    file.close();
    this.#file = newer;
    this.#offset = 0;
    return true;
  }

  #select(lines: Iterable<{ readonly bytes: Buffer }>): TimedLine[] {
    const selected: TimedLine[] = [];
    for (const { bytes } of lines) {
      const line = parseLine(bytes);
      this.#time = line.time ?? this.#time;
      const timed = { ...line, time: this.#time };
      if (matches(timed, this.#filter)) selected.push(timed);
    }
    return selected;
  }
}
