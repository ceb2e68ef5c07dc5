/** `ph status` */

import type { Status } from '../../control/protocol.ts';
import { ExitCode, NotRunningError } from '../../errors.ts';
import { onlySection } from '../status/section.ts';
import { renderStatus } from '../status/view.ts';
import { watchInLines, watchOnScreen } from '../status/watch.ts';
import { findSupervisors, type SupervisorFlags } from '../supervisors.ts';
import { lookOf } from '../terminal/look.ts';

export interface StatusFlags extends SupervisorFlags {
  readonly json?: boolean;
  readonly watch?: boolean;
}

/** The document of `ph status --json`. */
interface StatusReport {
  readonly supervisors: readonly Status[];
}

export async function status(section: string | undefined, flags: StatusFlags): Promise<ExitCode> {
  // Whoever read it, such as `head`, has read enough.
  process.stdout.on('error', () => process.exit());
  const look = async () => {
    const found = await findSupervisors(flags);
    return onlySection(
      found.map(each => each.status),
      section,
    );
  };
  if (!flags.watch) return showOnce(look, flags);
  if (flags.json || !process.stdout.isTTY) return watchInLines(look, statuses => print(statuses, flags));
  // What was there last remains to be read.
  print(await watchOnScreen(look), flags);
  return ExitCode.done;
}

async function showOnce(look: () => Promise<readonly Status[]>, flags: StatusFlags): Promise<ExitCode> {
  const statuses = await look().catch(error => {
    if (flags.json && error instanceof NotRunningError) print([], flags);
    throw error;
  });
  print(statuses, flags);
  const isFailed = statuses.some(({ sections }) => sections.some(({ state }) => state === 'failed'));
  return isFailed ? ExitCode.failed : ExitCode.done;
}

/** With `--watch`, a document is a line. */
function print(statuses: readonly Status[], { json, watch }: StatusFlags): void {
  const report: StatusReport = { supervisors: statuses };
  const text = json
    ? `${JSON.stringify(report, null, watch ? 0 : 2)}\n`
    : renderStatus(statuses, Date.now(), lookOf(process.stdout, process.env));
  process.stdout.write(text);
}
