/** `ph scale` */

import { type ExitCode, UsageError } from '../../errors.ts';
import { chooseSupervisors, forEach } from '../supervisors.ts';
import { waitWithProgress } from '../waiting.ts';
import type { WaitFlags } from './stop.ts';

interface Wish {
  readonly section: string;
  /** `4`, `+1` or `-2`. */
  readonly workers: string;
}

export async function scale(
  wishes: readonly string[],
  { timeout, wait, ...flags }: WaitFlags,
): Promise<ExitCode> {
  const parsed = wishes.map(parseWish);
  return forEach(await chooseSupervisors(flags), async ({ client }, say) => {
    for (const wish of parsed) {
      if (!wait) {
        await client.scale({ ...wish, wait });
        say(`${wish.section}: scaling to ${wish.workers}`);
        continue;
      }
      const { section, before, after } = await waitWithProgress(client, wish.section, timeout, options =>
        client.scale(wish, options),
      );
      say(`${section}: ${before} -> ${after} workers`);
    }
  });
}

function parseWish(text: string): Wish {
  const [, section, workers] = /^(.+)=([+-]?\d{1,4})$/.exec(text) ?? [];
  if (section === undefined || workers === undefined) {
    throw new UsageError(`${text} does not say how many: write SECTION=4, SECTION=+1 or SECTION=-2`);
  }
  return { section, workers };
}
