/** Who a worker process is: its title, and the account and priority that it runs with. */

import os from 'node:os';
import { userIds } from '../account.ts';
import type { SectionConfig } from '../config/types.ts';
import { AccountError } from '../errors.ts';

/** Before any of the user's code runs. Throws an `AccountError`. */
export function takeIdentity({ procName, nice, umask, ...account }: SectionConfig, index: number): void {
  process.title = `ph: ${procName}#${index}`;
  if (nice !== undefined) os.setPriority(nice);
  if (umask !== undefined) process.umask(umask);
  takeAccount(account);
}

/** Leaves root's groups first: they would stay with the process otherwise. */
function takeAccount({ user, group }: Pick<SectionConfig, 'user' | 'group'>): void {
  try {
    if (group !== undefined) {
      process.setgroups?.([idOrName(group)]);
      process.setgid?.(idOrName(group));
    } else if (user !== undefined) {
      process.setgroups?.(userIds(user, '-G'));
      process.setgid?.(userIds(user, '-g')[0] as number);
    }
    if (user !== undefined) process.setuid?.(idOrName(user));
  } catch (error) {
    throw new AccountError(user, group, error);
  }
}

function idOrName(account: string): number | string {
  return /^\d+$/.test(account) ? Number(account) : account;
}
