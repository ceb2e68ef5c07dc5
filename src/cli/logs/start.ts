/** Where in a chain of log files to begin, so that no more is read than is shown. */

import type { FileId, LogChain, LogFile } from './log-chain.ts';
import { type LineFilter, matches, parseLine } from './log-line.ts';

export interface Position {
  readonly file: FileId;
  readonly offset: number;
  /** How old the first lines are where they do not say it, ms since 1970. */
  readonly time: number;
}

const BLOCK = 64 * 1024;
const LONGEST_BLOCK = 4 * 1024 * 1024;
const LF = 0x0a;

/**
 * The places, one for each chain, from which on exactly the last `count` lines of all of them match.
 *
 * @returns in the order of the chains; undefined: none of them is in this one
 */
export function lastLines(
  chains: readonly { readonly chain: LogChain; readonly filter: LineFilter }[],
  count: number,
): (Position | undefined)[] {
  const starts = chains.map((): Position | undefined => undefined);
  const sources = chains.map(({ chain, filter }) => matchesBackward(chain, filter));
  const heads = sources.map(source => (count > 0 ? source.next().value : undefined) ?? undefined);
  for (let left = count; left > 0; left--) {
    const newest = heads.reduce(
      (best, head, i) => (head && (best < 0 || head.time > (heads[best]?.time ?? 0)) ? i : best),
      -1,
    );
    if (newest < 0) break;
    starts[newest] = heads[newest];
    heads[newest] = sources[newest]?.next().value ?? undefined;
  }
  // Open files are closed there.
  for (const source of sources) source.return(undefined);
  return starts;
}

/** A place in a chain before which all lines are older than `since`; undefined: there is none in it. */
export function positionAt(chain: LogChain, since: number): Position | undefined {
  let start: Position | undefined;
  for (let file = chain.newest(); file; ) {
    const { size } = file;
    const isWhole = (timeAt(file, 0, size) ?? since) >= since;
    start = { file, offset: isWhole ? 0 : lowerBound(file, since, size), time: 0 };
    file.close();
    file = isWhole ? chain.older(file) : undefined;
  }
  return start;
}

/** Where what is written from now on begins, or the line that is half there; undefined: there is no file. */
export function endOf(chain: LogChain): Position | undefined {
  const file = chain.newest();
  if (!file) return undefined;
  const { size, changedAt: time } = file;
  const isTorn = size > 0 && file.read(size - 1, 1)[0] !== LF;
  const [lastLine] = isTorn ? linesOf(file) : [];
  file.close();
  return { file, offset: lastLine?.offset ?? size, time };
}

/** Lines that match, the newest first; one that does not say its time has that of the line after it. */
function* matchesBackward(chain: LogChain, filter: LineFilter): Generator<Position, undefined, undefined> {
  let time: number | undefined;
  for (const { bytes, file, offset } of linesBackward(chain)) {
    const line = parseLine(bytes);
    if (line.time !== undefined && line.time < (filter.since ?? 0)) return;
    time = line.time ?? time ?? file.changedAt;
    if (matches(line, filter)) yield { file, offset, time };
  }
}

/** All lines, the last one first. */
function* linesBackward(
  chain: LogChain,
): Generator<{ readonly bytes: Buffer; readonly file: LogFile; readonly offset: number }, void, undefined> {
  for (let file = chain.newest(); file; ) {
    try {
      for (const { bytes, offset } of linesOf(file)) yield { bytes, file, offset };
    } finally {
      file.close();
    }
    file = chain.older(file);
  }
}

function* linesOf(file: LogFile): Generator<{ bytes: Buffer; offset: number }, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let length = BLOCK;
  for (let end = file.size; end > 0; ) {
    const start = Math.max(0, end - length);
    const block = Buffer.concat([file.read(start, end - start), rest]);
    let to = block.length;
    for (let lf = lineFeedBefore(block, to); lf >= 0; lf = lineFeedBefore(block, to)) {
      yield { bytes: lineIn(block, lf + 1, to), offset: start + lf + 1 };
      to = lf + 1;
    }
    // A line longer than a block must not be copied for each block.
    length = to === block.length ? Math.min(2 * length, LONGEST_BLOCK) : BLOCK;
    rest = block.subarray(0, to);
    end = start;
  }
  if (rest.length > 0) yield { bytes: lineIn(rest, 0, rest.length), offset: 0 };
}

/** Of the line before the last one, whose own line feed may be at `to - 1`. */
function lineFeedBefore(block: Buffer, to: number): number {
  return to < 2 ? -1 : block.lastIndexOf(LF, to - 2);
}

function lineIn(block: Buffer, from: number, to: number): Buffer {
  return block.subarray(from, block[to - 1] === LF ? to - 1 : to);
}

/** An offset before which all lines are older, by halving: lines are in the order of time, but for some ms. */
function lowerBound(file: LogFile, since: number, size: number): number {
  let [low, high] = [0, size];
  while (high - low > BLOCK) {
    const middle = Math.floor((low + high) / 2);
    if ((timeAt(file, middle, high) ?? since) < since) low = middle;
    else high = middle;
  }
  return lineAfter(file, Math.max(0, low - BLOCK));
}

/** The time of the first line that begins after `offset`, or there, and says it. */
function timeAt(file: LogFile, offset: number, end: number): number | undefined {
  for (let at = lineAfter(file, offset); at < end; ) {
    const next = lineAfter(file, at + 1);
    const { time } = parseLine(lineIn(file.read(at, next - at), 0, next - at));
    if (time !== undefined) return time;
    at = next;
  }
  return undefined;
}

/** Where the first line begins that begins at `offset` or later. */
function lineAfter(file: LogFile, offset: number): number {
  if (offset === 0) return 0;
  for (let at = offset - 1; ; at += BLOCK) {
    const block = file.read(at, BLOCK);
    const lf = block.indexOf(LF);
    if (lf >= 0) return at + lf + 1;
    if (block.length < BLOCK) return at + block.length;
  }
}
