/** `ph stop` */

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExitCode } from '../../errors.ts';
import { chooseSupervisors, forEach, type RunningSupervisor, type SupervisorFlags } from '../supervisors.ts';
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
  return forEach(supervisors, (supervisor, say) => stopOne(supervisor, section, flags, say));
}

async function stopOne(
  { client, status }: RunningSupervisor,
  section: string | undefined,
  { timeout, wait }: WaitFlags,
  say: (line: string) => void,
): Promise<void> {
  const { pid } = status.supervisor;
  const what = section ?? `supervisor ${pid}`;
  if (!wait) {
    await client.stop({ ...(section !== undefined && { section }), wait });
    say(`stopping ${what}`);
    return;
  }
  const { sections } = await waitWithProgress(client, section, timeout, options =>
    client.stop(section === undefined ? {} : { section }, options),
  );
  if (section !== undefined && sections.length === 0) {
    say(`${section} was stopped already`);
    return;
  }
  // Whoever starts it again must find its pidfile free.
  const isLast =
    section === undefined ||
    status.sections.every(({ name, state }) => name === section || state === 'stopped');
  while (isLast && isAlive(pid)) await delay(pace);
  say(`stopped ${what}`);
}

/** False of a zombie, too: whoever should take notice of its end may never do so. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
