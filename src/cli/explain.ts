/** An error that ends `ph`, as its user reads it. */

import { ExitCode, ProcessHandlerError } from '../errors.ts';

/** Prints it on stderr, after `whose`; returns what to exit with. */
export function explain(error: unknown, whose = ''): ExitCode {
  const { reason, exitCode } = explanation(error);
  process.stderr.write(`ph: ${whose}${reason}\n`);
  return exitCode;
}

export function explanation(error: unknown): { readonly reason: string; readonly exitCode: ExitCode } {
  if (!(error instanceof ProcessHandlerError)) {
    // Ours to mend, so its stack matters.
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { reason: `unexpected: ${text}`, exitCode: ExitCode.failed };
  }
  const { details = '' } = error as { readonly details?: string };
  const [first = '', ...rest] = details.split('\n');
  // The message tells the first line of most of them.
  const news = error.message.endsWith(first) ? rest : [first, ...rest];
  return { reason: [error.message, ...news].join('\n'), exitCode: error.exitStatus };
}
