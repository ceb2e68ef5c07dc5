/** An error of the user's code as its author wants to read it. */

import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { ErrorReport } from '../channel/control.ts';
import { ConfigError, ProcessHandlerError } from '../errors.ts';

const ourDirectory = fileURLToPath(new URL('..', import.meta.url));

export function reportError(error: unknown): ErrorReport {
  if (!(error instanceof Error)) {
    const text = inspect(error);
    return { message: `${text} was thrown`, details: `${text} was thrown: throw an Error to see where` };
  }
  const [problem] = error instanceof ConfigError ? error.problems : [];
  // Its place whoever reads the report knows.
  if (problem) return { message: problem.message, details: problem.message, code: problem.code };
  const message = `${error.name}: ${error.message.split('\n', 1)[0]}`;
  // What we refuse the message explains; where in our code that happened helps nobody.
  if (error instanceof ProcessHandlerError) {
    return { message, details: `${error.name}: ${error.message}`, code: error.code };
  }
  return { message, details: withoutForeignFrames(inspect(error)) };
}

function withoutForeignFrames(text: string): string {
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    if (!isForeignFrame(line)) kept.push(line);
    // The error's own properties begin there.
    else if (line.endsWith(' {')) kept.push(`${kept.pop() ?? ''} {`);
  }
  return kept.join('\n');
}

/** Of Node, of its promises, of this package or of what it is made of: none of them is where the user has to look. */
function isForeignFrame(line: string): boolean {
  if (!/^\s+at /.test(line)) return false;
  return (
    /[ (]node:|at async Promise\.\w+ \(index \d+\)|\/node_modules\/(piscina|tsx|esbuild)\//.test(line) ||
    line.includes(ourDirectory)
  );
}
