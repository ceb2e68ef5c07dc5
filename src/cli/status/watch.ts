/** `ph status --watch`: on the whole screen of a terminal, else one status beneath the other. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../../control/protocol.ts';
import { ProcessHandlerError } from '../../errors.ts';
import { type Line, span } from '../terminal/line.ts';
import { LiveView } from '../terminal/live.ts';
import { plainText } from '../terminal/text.ts';
import { statusLines } from './view.ts';

type Look = () => Promise<readonly Status[]>;

/** Between two statuses, ms. */
const INTERVAL = 1000;

/** Until `q` or Ctrl-C; returns what was there last. Rejects where there is nothing to begin with. */
export async function watchOnScreen(look: Look): Promise<readonly Status[]> {
  let statuses = await look();
  let failure: Error | undefined;
  const view = new LiveView({
    async refresh() {
      try {
        statuses = await look();
        failure = undefined;
      } catch (error) {
        // What was there last stays.
        failure = passing(error);
      }
    },
    lines({ columns, rows }) {
      const top: Line[] = failure ? [[span(plainText(failure.message), 'red', 'bold')]] : [];
      const lines = [...top, ...statusLines(statuses, Date.now(), columns)];
      if (lines.length <= rows) return lines;
      return [...lines.slice(0, rows - 1), [span(`… ${lines.length - rows + 1} more lines`, 'dim')]];
    },
    onKey(key) {
      if (key === 'q') view.end();
    },
  });
  await view.run();
  return statuses;
}

/** Until a signal ends it. Rejects where there is nothing to begin with. */
export async function watchInLines(look: Look, print: (statuses: readonly Status[]) => void): Promise<never> {
  print(await look());
  let said: string | undefined;
  for (;;) {
    await delay(INTERVAL);
    try {
      print(await look());
      said = undefined;
    } catch (error) {
      const { message } = passing(error);
      if (message !== said) process.stderr.write(`ph: ${message}\n`);
      said = message;
    }
  }
}

/** The error, where it is one that may pass; throws any other. */
function passing(error: unknown): ProcessHandlerError {
  if (error instanceof ProcessHandlerError) return error;
  throw error;
}
