/** What `?` shows in `ph top`. */

import { type Line, span } from '../terminal/line.ts';

const keys = [
  ['q, Ctrl-C', 'quit'],
  ['↑ ↓ Home End', 'select a section or a worker (k and j, too)'],
  ['← →', 'sort the workers by another column (< and >, too)'],
  ['i', 'turn the order round'],
  ['+ -', 'one worker more, or one less, in the selected section'],
  ['r', 'reload the selected section'],
  ['s', 'stack of the selected worker, and what its threads run'],
  ['Ctrl-Z', 'to the background; fg brings it back'],
  ['Ctrl-L', 'draw anew'],
] as const;

/** Narrow enough for any terminal. */
const notes = [
  'The courses are those of the last minutes, the newest at the right:',
  'TASKS/S  tasks that ended, per second',
  'P95      95 % of the tasks took no longer, in the slowest worker',
  'MEMORY   of all worker processes of the section',
  'The lowest block is zero, a whole one the highest value shown.',
];

export const helpLines: readonly Line[] = [
  ...keys.map(([key, what]) => [span(key.padEnd(14), 'bold'), span(what)]),
  [],
  ...notes.map(text => [span(text, 'dim')]),
];
