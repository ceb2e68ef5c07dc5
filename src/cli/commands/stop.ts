/** `ph stop` */

import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode } from '../../errors.ts';
import { chooseSupervisors, type RunningSupervisor, type SupervisorFlags } from '../supervisors.ts';
import { waitWithProgress } from '../waiting.ts';

export interface WaitFlags extends SupervisorFlags {
  /** ms. Default: no limit. */
  readonly timeout?: number;
  readonly wait: boolean;
}

/** How often it is looked whether a process is gone, ms. */
const pace = 20;

export async function stop(section: string | undefined, flags: WaitFlags): Promise<ExitCode> {
  const supervisors = await chooseSupervisors(flags);
  await Promise.all(supervisors.map(supervisor => stopOne(supervisor, section, flags)));
  return ExitCode.done;
}

async function stopOne(
  { client, status }: RunningSupervisor,
  section: string | undefined,
  { timeout, wait }: WaitFlags,
) {
  const { pid } = status.supervisor;
  const what = section ?? `supervisor ${pid}`;
  if (!wait) {
    await client.stop({ ...(section !== undefined && { section }), wait });
    process.stdout.write(`stopping ${what}\n`);
    return;
  }
  const { sections } = await waitWithProgress(client, section, timeout, options =>
    client.stop(section === undefined ? {} : { section }, options),
  );
  if (section !== undefined && sections.length === 0) {
    process.stdout.write(`${section} was stopped already\n`);
    return;
  }
  // Whoever starts it again must find its pidfile free.
  const isLast = section === undefined || (status.sections.length === 1 && sections.length === 1);
  while (isLast && isAlive(pid)) await delay(pace);
  process.stdout.write(`stopped ${what}\n`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
