/** An error of the user's code as its author wants to read it. */

import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { ErrorReport } from '../channel/control.ts';

const ourDirectory = fileURLToPath(new URL('..', import.meta.url));

export function reportError(error: unknown): ErrorReport {
  if (!(error instanceof Error)) {
    const text = inspect(error);
    return { message: `${text} was thrown`, details: `${text} was thrown: throw an Error to see where` };
  }
  return {
    message: `${error.name}: ${error.message.split('\n', 1)[0]}`,
    details: withoutForeignFrames(inspect(error)),
  };
}

/** Drops the frames of Node, of Piscina and of this package: none of them is where the user has to look. */
function withoutForeignFrames(text: string): string {
  return text
    .split('\n')
    .filter(line => {
      if (!/^\s+at /.test(line)) return true;
      return !(
        line.includes('node:internal/') ||
        line.includes(ourDirectory) ||
        line.includes('/node_modules/piscina/')
      );
    })
    .join('\n');
}
