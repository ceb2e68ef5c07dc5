/** The inputs of `ph map`: lines of a stream, or names of files. */

import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { glob } from 'tinyglobby';
import { InputError, UsageError } from '../../errors.ts';
import { LineSplitter, MAX_LINE } from '../../log/lines.ts';

/** `ndjson`: each line is a JSON value; `lines`: a text; `glob`: inputs are paths of files. */
export type InputFormat = 'ndjson' | 'lines' | 'glob';

export interface Input {
  /** 0 for the first; empty lines are no inputs. */
  readonly index: number;
  /** As JSON, as it is repeated in the output. */
  readonly text: string;
  /** What the task is called with, or why it cannot be. */
  readonly payload: { readonly value: unknown } | { readonly error: InputError };
  /** Bytes. */
  readonly size: number;
  /** Of all inputs before this one: tells another input from the one that a checkpoint belongs to. */
  readonly checksumBefore: number;
  /** The same with this one. */
  readonly checksum: number;
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** How much of a line that is too long is repeated in the output, bytes. */
const EXCERPT = 200;

/**
 * The lines of a stream, one at a time. A line that cannot be an input becomes one that holds the reason.
 *
 * @param signal ends it, also while it waits for the stream
 * @throws {InputError} where the stream cannot be read
 */
export async function* readLines(
  stream: Readable,
  format: 'ndjson' | 'lines',
  signal: AbortSignal,
): AsyncGenerator<Input, void, undefined> {
  const splitter = new LineSplitter();
  const parse = format === 'ndjson' ? parseJson : parseText;
  let line = 0;
  let index = 0;
  let checksum = 0;

  function* inputsOf(lines: Iterable<{ bytes: Buffer; part: number }>): Generator<Input, void, undefined> {
    for (const { bytes, part } of lines) {
      if (part <= 1) line++;
      const isFirst = line === 1 && bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
      const content = isFirst ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
      const checksumBefore = checksum;
      if (part > 1) continue;
      const parsed = part === 1 ? tooLong(content, line) : parse(content, line);
      if (parsed === undefined) continue;
      checksum = extend(checksum, content);
      yield { index, ...parsed, size: bytes.length + 1, checksumBefore, checksum };
      index++;
    }
  }

  const stop = () => stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stream) {
      for (const input of inputsOf(splitter.push(chunk))) {
        if (signal.aborted) return;
        yield input;
      }
    }
    if (!signal.aborted) yield* inputsOf(splitter.end());
  } catch (error) {
    if (!signal.aborted) throw new InputError(`cannot read the input: ${(error as Error).message}`, error);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Paths of files as inputs, in the order of their names. */
export async function* listFiles(
  paths: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Input, void, undefined> {
  let checksum = 0;
  for (const [index, path] of paths.entries()) {
    if (signal.aborted) return;
    const checksumBefore = checksum;
    checksum = extend(checksum, Buffer.from(path));
    yield { index, text: JSON.stringify(path), payload: { value: path }, size: 1, checksumBefore, checksum };
  }
}

/**
 * The files that match, in the order of their names; of an absolute pattern with absolute paths.
 *
 * @throws {UsageError} where a pattern matches none
 */
export async function findFiles(patterns: readonly string[]): Promise<string[]> {
  const options = { onlyFiles: true, expandDirectories: false };
  const found = await Promise.all(
    patterns.map(pattern => glob(pattern, { ...options, absolute: pattern.startsWith('/') })),
  );
  const empty = patterns.filter((_, i) => found[i]?.length === 0);
  if (empty.length > 0) throw new UsageError(`no file matches ${empty.join(', ')}`);
  return [...new Set(found.flat())].sort();
}

type Parsed = Pick<Input, 'text' | 'payload'>;

/** undefined: the line is no input. */
function parseJson(bytes: Buffer, line: number): Parsed | undefined {
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (!isUtf8(bytes)) return notUtf8(text, line);
    // White space that JSON allows and that some readers take for the end of a line.
    return { text: text.includes('\r') ? JSON.stringify(value) : text.trim(), payload: { value } };
  } catch (error) {
    if (text.trim() === '') return undefined;
    if (!isUtf8(bytes)) return notUtf8(text, line);
    const hint = line === 1 ? '; for lines of plain text give --lines' : '';
    return broken(text, `line ${line} is not JSON: ${(error as Error).message}${hint}`);
  }
}

function parseText(bytes: Buffer, line: number): Parsed | undefined {
  if (bytes.length === 0) return undefined;
  const value = bytes.toString('utf8');
  return isUtf8(bytes) ? { text: JSON.stringify(value), payload: { value } } : notUtf8(value, line);
}

function notUtf8(text: string, line: number): Parsed {
  return broken(text, `line ${line} is not UTF-8 text`);
}

function tooLong(bytes: Buffer, line: number): Parsed {
  const limit = `${MAX_LINE / 1024 ** 2} MiB`;
  return broken(
    `${bytes.toString('utf8', 0, EXCERPT)}…`,
    `line ${line} is longer than ${limit}, which is the limit; the input has its beginning`,
  );
}

function broken(text: string, message: string): Parsed {
  return { text: JSON.stringify(text), payload: { error: new InputError(message) } };
}

// With its length, so that the same bytes cut into other lines are another input.
function extend(checksum: number, bytes: Buffer): number {
  return crc32(bytes, (checksum + bytes.length) >>> 0);
}
