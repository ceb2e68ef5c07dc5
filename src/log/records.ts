/** Turns what a worker prints into records: one line of JSON each, as pino writes them. */
import { isUtf8 } from 'node:buffer';
import type { Line } from './lines.ts';

/** Where a line was printed. */
export interface Origin {
  readonly section: string | undefined;
  readonly pid: number;
  readonly index?: number;
  readonly hook?: string;
  readonly stream: 'stdout' | 'stderr';
}

const LEVELS = { stdout: 30, stderr: 40 } as const;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The record of a line, its line feed included. A JSON object stays as it is, byte for byte; other text is wrapped. */
export function toRecord({ bytes, part }: Line, { section, pid, index, hook, stream }: Origin): string {
  const text = bytes.toString('utf8');
  if (part === 0 && isJsonObject(bytes, text)) return `${text}\n`;
  const record = { level: LEVELS[stream], time: Date.now(), section, pid, index, hook, stream, msg: text };
  return `${JSON.stringify(part === 0 ? record : { ...record, part })}\n`;
}

/** A line that the supervisor adds by itself, such as a count of lost lines. */
export function noticeRecord(level: number, msg: string): string {
  return `${JSON.stringify({ level, time: Date.now(), pid: process.pid, name: 'ph', msg })}\n`;
}

function isJsonObject(bytes: Buffer, text: string): boolean {
  // The cheap looks come first: most lines that are not JSON end here.
  if (bytes[0] !== OPEN_BRACE || bytes.at(-1) !== CLOSE_BRACE || !isUtf8(bytes)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
