/** Order and repetition of problems. */

import type { Problem } from '../errors.ts';
import { DEFAULT_SECTION } from './ini.ts';

/** By line, and once only: what [DEFAULT] gets wrong is not repeated for each section that inherits it. */
export function tidyProblems(problems: readonly Problem[]): Problem[] {
  const distinct = new Map<string, Problem>();
  for (const problem of problems) {
    const { file, line, section, key, code, message } = problem;
    const identity = JSON.stringify([file, line ?? `[${section}]`, key, code, message]);
    const first = distinct.get(identity);
    const inherited = first !== undefined && first.section !== section;
    distinct.set(identity, inherited ? { ...problem, section: DEFAULT_SECTION } : problem);
  }
  const lineOf = ({ line = Number.MAX_SAFE_INTEGER }: Problem): number => line;
  return [...distinct.values()].sort((a, b) => lineOf(a) - lineOf(b));
}
