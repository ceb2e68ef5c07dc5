/** `ph top` */

import { ExitCode, UsageError } from '../../errors.ts';
import { findSupervisors, type SupervisorFlags } from '../supervisors.ts';
import { Top } from '../top/top.ts';

export async function top(flags: SupervisorFlags): Promise<ExitCode> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new UsageError(
      'ph top needs a terminal for its keys and its screen; ph status --watch, or ph status --json, works without one',
    );
  await new Top(() => findSupervisors(flags)).run();
  return ExitCode.done;
}
