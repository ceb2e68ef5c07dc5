/** `ph stack` */

import type { AnswerOf } from '../../control/protocol.ts';
import { type ExitCode, UsageError } from '../../errors.ts';
import { chooseSupervisors, forEach, type SupervisorFlags } from '../supervisors.ts';

export async function stack(worker: string | undefined, flags: SupervisorFlags): Promise<ExitCode> {
  const meant = parseWorker(worker);
  return forEach(await chooseSupervisors(flags), async ({ client }, say) => {
    const { workers } = await client.stack(meant);
    if (workers.length > 0) say(workers.map(describe).join('\n').trimEnd());
  });
}

function parseWorker(text: string | undefined): { section?: string; index?: number } {
  if (text === undefined) return {};
  const [, section, index] = /^(.+?)(?:#(\d+))?$/.exec(text) ?? [];
  if (section === undefined) throw new UsageError(`${text} names no worker: write SECTION or SECTION#INDEX`);
  return { section, ...(index !== undefined && { index: Number(index) }) };
}

/** As `ph top` shows it, too. */
export function describe({
  section,
  index,
  pid,
  frames,
  running,
}: AnswerOf<'stack'>['workers'][number]): string {
  // A thread that sleeps is stopped where Node wakes it.
  const isInUserCode = frames.some(frame => !frame.includes('(node:'));
  const stack = isInUserCode
    ? frames.map(frame => `    at ${frame}`)
    : ['    idle, or in code that is not JavaScript'];
  const tasks = running.map(
    ({ name, threadId, age }) => `    thread ${threadId}: ${name}, for ${(age / 1000).toFixed(1)} s`,
  );
  return `${[
    `${section}#${index} (pid ${pid})`,
    '  main thread',
    ...stack,
    ...(tasks.length > 0 ? ['  tasks', ...tasks] : ['  no task is running']),
  ].join('\n')}\n`;
}
