/** Root may do everything, so what is forbidden is tested as somebody else. */

import { spawnSync } from 'node:child_process';
import { phEntry } from './ph.ts';

const isRoot = process.getuid?.() === 0;

/** Goes before a command that is to run without root's powers; nothing where the test runs without them itself. */
export const asNobody: readonly string[] = isRoot
  ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  : [];

/** For `skip`: why no process of another user can be started. */
export const noOtherUser: string | false = isRoot ? cannotRead() && 'nobody cannot read this' : 'needs root';

/** For `skip`: why there is no process without root's powers. */
export const onlyRoot: string | false = isRoot && noOtherUser;

/** A checkout may be in a directory of root's own. */
function cannotRead(): boolean {
  const [command, ...args] = [...asNobody, process.execPath, '--check', phEntry];
  return spawnSync(command as string, args).status !== 0;
}
