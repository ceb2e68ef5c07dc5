/** Users and groups of the system, by name or number. */

import { execFileSync } from 'node:child_process';

interface Account {
  readonly user: string | undefined;
  readonly group: string | undefined;
}

/** Numbers of an account: the group's own, else that of the user. Throws what the system says of unknown names. */
export function accountIds({ user, group }: Account): { uid: number | undefined; gid: number | undefined } {
  const uid = user === undefined ? undefined : userIds(user, '-u')[0];
  if (group !== undefined) return { uid, gid: groupId(group) };
  return { uid, gid: user === undefined ? undefined : userIds(user, '-g')[0] };
}

/** Node cannot look a user up; `id` can, wherever the users come from. */
export function userIds(user: string, which: '-u' | '-g' | '-G'): number[] {
  return run('id', [which, user]).split(' ').map(Number);
}

function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  try {
    return Number(run('getent', ['group', group]).split(':')[2]);
  } catch {
    throw new Error(`group ${group} does not exist`);
  }
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
