/** The line that `systemctl status` shows. Pure. */

import type { GroupState } from '../group/group.ts';
import type { WorkerState } from '../group/worker-process.ts';

export interface GroupStatus {
  readonly name: string;
  readonly state: GroupState;
  readonly workers: readonly { readonly state: WorkerState }[];
  /** How many there are to be. */
  readonly desired: number;
}

/** In a reload there may be one more than there are to be for a moment. */
export function readyWorkers({ workers, desired }: GroupStatus): number {
  return Math.min(workers.filter(({ state }) => state === 'ready').length, desired);
}

/** States that are news; the others are on the way to `running`. */
const remarkable: readonly GroupState[] = ['reloading', 'backoff', 'failed'];

const longestReason = 200;

/** `2 sections, 5/5 workers ready`, and what is unusual. */
export function statusText(groups: readonly GroupStatus[], reloadFailure?: string): string {
  const desired = groups.reduce((sum, group) => sum + group.desired, 0);
  const ready = groups.reduce((sum, group) => sum + readyWorkers(group), 0);
  const sections = `${groups.length} section${groups.length === 1 ? '' : 's'}`;
  const news = groups
    .filter(({ state }) => remarkable.includes(state))
    .map(({ name, state }) => `${name}: ${state}`);
  return [
    `${sections}, ${ready}/${desired} workers ready`,
    ...(news.length > 0 ? [news.join(', ')] : []),
    ...(reloadFailure === undefined ? [] : [`the last reload failed: ${shortened(reloadFailure)}`]),
  ].join('; ');
}

function shortened(reason: string): string {
  const [line = ''] = reason.split('\n');
  return line.length > longestReason ? `${line.slice(0, longestReason)}…` : line;
}
