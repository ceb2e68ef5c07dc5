/** An error that ends `ph`, as its user reads it. */

import { BootError, ExitCode, ProcessHandlerError } from '../errors.ts';

/** Prints it on stderr; returns what to exit with. */
export function explain(error: unknown): ExitCode {
  const { reason, exitCode } = explanation(error);
  process.stderr.write(`ph: ${reason}\n`);
  return exitCode;
}

export function explanation(error: unknown): { readonly reason: string; readonly exitCode: ExitCode } {
  if (!(error instanceof ProcessHandlerError)) {
    // Ours to mend, so its stack matters.
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { reason: `unexpected: ${text}`, exitCode: ExitCode.failed };
  }
  const details = error instanceof BootError ? `\n${error.details}` : '';
  return { reason: `${error.message}${details}`, exitCode: error.exitStatus };
}
