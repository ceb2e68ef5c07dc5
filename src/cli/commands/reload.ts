/** `ph reload`, and `ph restart`, which differ in whether old workers and new ones overlap. */

import type { AnswerOf } from '../../control/protocol.ts';
import { ExitCode, formatProblem } from '../../errors.ts';
import { chooseSupervisors, forEach, type RunningSupervisor } from '../supervisors.ts';
import { waitWithProgress } from '../waiting.ts';
import type { WaitFlags } from './stop.ts';

export interface ReloadFlags extends WaitFlags {
  readonly dryRun?: boolean;
}

type SectionChange = AnswerOf<'reload'>['sections'][number];
type Plan = AnswerOf<'plan'>;

export async function reload(section: string | undefined, flags: ReloadFlags): Promise<ExitCode> {
  const supervisors = await chooseSupervisors(flags);
  if (flags.dryRun) return showPlans(supervisors, section);
  return forEach(supervisors, (supervisor, say) => change(supervisor, 'reload', section, flags, say));
}

export async function restart(section: string | undefined, flags: WaitFlags): Promise<ExitCode> {
  const supervisors = await chooseSupervisors(flags);
  return forEach(supervisors, (supervisor, say) => change(supervisor, 'restart', section, flags, say));
}

async function change(
  { client }: RunningSupervisor,
  how: 'reload' | 'restart',
  section: string | undefined,
  { timeout, wait }: WaitFlags,
  say: (line: string) => void,
): Promise<void> {
  const request = section === undefined ? {} : { section };
  if (!wait) {
    await client[how]({ ...request, wait });
    say(`${how} of ${section ?? 'all sections'} has begun; ph logs and ph status tell how it goes`);
    return;
  }
  const { sections } = await waitWithProgress(client, section, timeout, options =>
    client[how](request, options),
  );
  for (const each of sections) say(describe(each));
}

function describe({ name, change, generation, workers }: SectionChange): string {
  if (change === 'removed') return `${name}: removed; its workers finish what they have`;
  return `${name}: ${change}, generation ${generation} serves with ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
}

async function showPlans(
  supervisors: readonly RunningSupervisor[],
  section: string | undefined,
): Promise<ExitCode> {
  let code: ExitCode = ExitCode.done;
  const failure = await forEach(supervisors, async ({ client }, say) => {
    const plan = await client.plan(section === undefined ? {} : { section });
    for (const line of linesOf(plan)) say(line);
    for (const { line, ...problem } of plan.problems) {
      process.stderr.write(
        `${formatProblem({ ...problem, ...(line !== undefined && { line }) } as Parameters<typeof formatProblem>[0])}\n`,
      );
      code = ExitCode.failed;
    }
  });
  return failure === ExitCode.done ? code : failure;
}

function linesOf({ added, removed, keys, problems }: Plan): string[] {
  const lines = [
    ...added.map(name => `${name}: would be added`),
    ...removed.map(name => `${name}: would be removed`),
    ...keys.map(
      ({ section, key, before, after }) =>
        `${section}: ${key} = ${before ?? '(not set)'} -> ${after ?? '(not set)'}`,
    ),
  ];
  if (problems.length > 0) return [...lines, 'a reload would fail, and change nothing:'];
  return lines.length > 0
    ? lines
    : ['the configuration has not changed; workers would be replaced by new ones all the same'];
}
