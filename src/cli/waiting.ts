/** Waits for what a supervisor was asked to do, and shows on a terminal how far it is. */

import { setTimeout as delay } from 'node:timers/promises';
import type { ControlClient, ControlOptions } from '../control/client.ts';
import type { SectionStatus, Status } from '../control/protocol.ts';

/** How often it is asked how far it is, ms. */
const pace = 200;

/** `request` is given what keeps it from waiting for longer than `timeout`, ms. */
export async function waitWithProgress<Result>(
  client: ControlClient,
  section: string | undefined,
  timeout: number | undefined,
  request: (options: ControlOptions) => Promise<Result>,
): Promise<Result> {
  const over = new AbortController();
  const shown = process.stderr.isTTY ? showProgress(client, section, over.signal) : undefined;
  try {
    return await request(timeout === undefined || timeout === 0 ? {} : { timeout });
  } finally {
    over.abort();
    await shown;
  }
}

async function showProgress(
  client: ControlClient,
  section: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  let last = '';
  try {
    for (;;) {
      await delay(pace, undefined, { signal });
      const text = progressOf(await client.status({ signal }), section);
      if (text !== last) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
      last = text;
    }
  } catch {
    // It is over, or the supervisor is gone: whoever waits for the answer is told.
    if (last) process.stderr.write('\r\x1b[K');
  }
}

/** In one line. */
export function progressOf({ supervisor, sections }: Status, section: string | undefined): string {
  const meant = sections.filter(({ name }) => section === undefined || name === section);
  const parts = meant.flatMap(each => partOf(each) ?? []);
  if (supervisor.busyWith === 'upgrade') parts.unshift('the new supervisor starts');
  return parts.join(' · ');
}

/** Undefined where the section is as it should be. */
function partOf({ name, state, generation, workers, processes }: SectionStatus): string | undefined {
  const draining = processes.filter(process => process.state === 'draining');
  if (state === 'running' && draining.length === 0 && workers.ready === workers.wanted) return undefined;
  const busy = draining.flatMap(({ running }) => running.map(task => task.name));
  const drains =
    draining.length > 0
      ? `, ${draining.length} draining${busy.length > 0 ? ` (${busy.join(', ')})` : ''}`
      : '';
  return `${name}: ${state}, generation ${generation}, ${workers.ready}/${workers.wanted} ready${drains}`;
}
