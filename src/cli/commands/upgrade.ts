/** `ph upgrade` */

import { ExitCode } from '../../errors.ts';
import { chooseSupervisors, forEach } from '../supervisors.ts';
import { waitWithProgress } from '../waiting.ts';
import type { WaitFlags } from './stop.ts';

export async function upgrade({ timeout, wait, ...flags }: WaitFlags): Promise<ExitCode> {
  const supervisors = await chooseSupervisors(flags);
  await forEach(supervisors, async ({ client, status }) => {
    if (!wait) {
      await client.upgrade({ wait });
      process.stdout.write('the upgrade has begun; ph status tells which pid is in charge\n');
      return;
    }
    const { pid } = await waitWithProgress(client, undefined, timeout, options =>
      client.upgrade({}, options),
    );
    process.stdout.write(
      `upgraded: pid ${pid} is in charge; pid ${status.supervisor.pid} finishes what it has\n`,
    );
  });
  return ExitCode.done;
}
