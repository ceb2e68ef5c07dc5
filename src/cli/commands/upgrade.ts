/** `ph upgrade` */

import type { ExitCode } from '../../errors.ts';
import { chooseSupervisors, forEach } from '../supervisors.ts';
import { waitWithProgress } from '../waiting.ts';
import type { WaitFlags } from './stop.ts';

export async function upgrade({ timeout, wait, ...flags }: WaitFlags): Promise<ExitCode> {
  const supervisors = await chooseSupervisors(flags);
  return forEach(supervisors, async ({ client, status }, say) => {
    if (!wait) {
      await client.upgrade({ wait });
      say('the upgrade has begun; ph status tells which pid is in charge');
      return;
    }
    const { pid } = await waitWithProgress(client, undefined, timeout, options =>
      client.upgrade({}, options),
    );
    say(`upgraded: pid ${pid} is in charge; pid ${status.supervisor.pid} finishes what it has`);
  });
}
