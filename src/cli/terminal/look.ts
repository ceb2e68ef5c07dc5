/** How wide a stream is, and whether it shows colours. */

import type { Look } from './line.ts';

/** The parts of `process.stdout` that matter. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Of a terminal that does not know its size. */
const DEFAULT_WIDTH = 80;

/** What is no terminal gets whole lines without colours: for `grep`, `less -S`, a file. */
export function lookOf(stream: Output, env: NodeJS.ProcessEnv): Look {
  return {
    width: stream.isTTY ? stream.columns || DEFAULT_WIDTH : Number.POSITIVE_INFINITY,
    colour: wantsColour(stream, env),
  };
}

/** FORCE_COLOR over NO_COLOR, as Node itself has it. */
function wantsColour(stream: Output, env: NodeJS.ProcessEnv): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused, TERM: type } = env;
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return stream.isTTY === true && !refused && type !== 'dumb';
}
