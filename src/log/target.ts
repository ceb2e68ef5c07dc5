/** Where the bytes of a sink go. */
import { getSystemErrorMap } from 'node:util';

export interface Target {
  /** What to call it in messages. */
  readonly name: string;
  readonly fd: number;
  /** The size of a regular file, undefined for anything else. */
  readonly size: number | undefined;
  /** A write may block: it belongs on a thread. */
  readonly blocking: boolean;
  /** The reader may go for good (a pipe, a terminal): nobody is left then to whom an error could matter. */
  readonly canHangUp: boolean;
  /** How many bytes may be written next, where a line of `length` bytes is to follow; at least `length`. */
  room(length: number): number;
  /** Opens it anew by its name. True if that is another file now. @throws the system's error, and goes on with the old one. */
  reopen(): boolean;
  close(): void;
}

/** What the system says about an error, without the name of the call: `no space left on device`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errno }: NodeJS.ErrnoException = error;
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? error.message;
}
