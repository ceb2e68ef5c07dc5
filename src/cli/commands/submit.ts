/** `ph submit` */

import { text } from 'node:stream/consumers';
import { ExitCode, UsageError } from '../../errors.ts';
import { chooseSupervisors, type SupervisorFlags } from '../supervisors.ts';

export interface SubmitFlags extends SupervisorFlags {
  readonly name?: string;
  /** How long the task may run, ms; 0: no limit. */
  readonly timeout?: number;
}

export async function submit(
  section: string,
  json: string | undefined,
  flags: SubmitFlags,
): Promise<ExitCode> {
  const { name, timeout } = flags;
  const payload = parse(json === '-' ? await text(process.stdin) : json);
  for (const { client } of await chooseSupervisors(flags)) {
    const { result } = await client.submit({
      section,
      ...(name !== undefined && { name }),
      ...(timeout !== undefined && { timeout }),
      ...(payload !== undefined && { payload }),
    });
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  return ExitCode.done;
}

function parse(json: string | undefined) {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch (error) {
    throw new UsageError(`the payload is not JSON: ${(error as Error).message}; a text has quotes: '"text"'`);
  }
}
