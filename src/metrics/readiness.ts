/** Whether the supervisor as a whole can do its work, and what keeps it from it. Pure. */

import type { SectionStatus, Status } from '../control/protocol.ts';
import type { MeasuredGroup } from './snapshot.ts';

export interface Readiness {
  readonly ready: boolean;
  readonly state: Status['supervisor']['state'];
  /** Beside what keeps a section from it. */
  readonly reason?: string;
  readonly sections: Readonly<Record<string, SectionReadiness>>;
}

export interface SectionReadiness {
  readonly ready: boolean;
  readonly state: SectionStatus['state'];
  /** Why it is not ready, or why it does not count. */
  readonly reason?: string;
}

/**
 * Ready: it runs, and so does every section that is meant to. With a `successor`, the pid of the supervisor that is in
 * charge: what is asked for goes on.
 */
export function readinessOf(
  { supervisor: { state }, sections }: Status,
  groups: Iterable<MeasuredGroup>,
  successor?: number,
): Readiness {
  const byName = new Map([...groups].map(group => [group.name, group]));
  const each = sections.map(section => [section.name, sectionReadiness(section, byName.get(section.name))]);
  const bySection: Record<string, SectionReadiness> = Object.fromEntries(each);
  if (successor !== undefined) {
    return { ready: true, state, reason: `pid ${successor} is in charge`, sections: bySection };
  }
  if (state !== 'running') {
    return { ready: false, state, reason: `the supervisor is ${state}`, sections: bySection };
  }
  return { ready: Object.values(bySection).every(({ ready }) => ready), state, sections: bySection };
}

/** Its minimum is all workers while it starts, and one from then on. */
function sectionReadiness(section: SectionStatus, group: MeasuredGroup | undefined): SectionReadiness {
  const { state, workers, lastFailure } = section;
  const { ready, wanted } = workers;
  const not = (reason: string): SectionReadiness => ({ ready: false, state, reason });
  const because = lastFailure === null ? '' : `; ${lastFailure}`;
  const isEnded = state === 'stopping' || state === 'stopped' || wanted === 0;
  if (isEnded && !group?.hasGivenUp) return { ready: true, state, reason: 'stopped, so it does not count' };
  if (state === 'failed') return not(lastFailure ?? 'its workers fail again and again');
  if (ready === 0) return not(`no worker is ready${because}`);
  if (state === 'starting' && ready < wanted) return not(`${ready} of ${wanted} workers are ready${because}`);
  const queue = queueTrouble(group);
  return queue === undefined ? { ready: true, state } : not(queue);
}

/** Undefined where a worker takes jobs, or there is no queue. */
function queueTrouble(group: MeasuredGroup | undefined): string | undefined {
  const serving = (group?.workers ?? []).filter(({ state }) => state === 'ready');
  const queues = serving.flatMap(({ heartbeat }) => heartbeat?.queue ?? []);
  const reasons = queues.flatMap(({ connected, reason = 'no connection' }) => (connected ? [] : reason));
  return queues.length > 0 && reasons.length === queues.length ? `queue: ${reasons[0]}` : undefined;
}
