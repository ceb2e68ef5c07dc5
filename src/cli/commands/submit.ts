/** `ph submit` */

import { text } from 'node:stream/consumers';
import { type ExitCode, UsageError } from '../../errors.ts';
import { chooseSupervisors, forEach, type SupervisorFlags } from '../supervisors.ts';

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
  return forEach(await chooseSupervisors(flags), async ({ client }) => {
    const { result } = await client.submit({
      section,
      ...(name !== undefined && { name }),
      ...(timeout !== undefined && { timeout }),
      ...(payload !== undefined && { payload }),
    });
    // Whosever it is: a program reads it.
    process.stdout.write(`${JSON.stringify(result)}\n`);
  });
}

function parse(json: string | undefined) {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch (error) {
    throw new UsageError(`the payload is not JSON: ${(error as Error).message}; a text has quotes: '"text"'`);
  }
}
