/** What it costs to send bytes to a task and to get them back. */

import { randomFillSync } from 'node:crypto';
import { times } from '../lib/load.ts';
import { median } from '../lib/statistics.ts';
import type { Pool } from '../peers/peer.ts';
import { count, duration, isPool, type Scenario } from './scenario.ts';

const sizes = [
  { key: '64', title: '64 B', bytes: 64 },
  { key: '4k', title: '4 KB', bytes: 4 * 2 ** 10 },
  { key: '256k', title: '256 KB', bytes: 256 * 2 ** 10 },
  { key: '16m', title: '16 MB', bytes: 16 * 2 ** 20 },
];

export const payloads: Scenario = {
  name: 'payloads',
  title: 'Payloads',
  note: 'A `Uint8Array` there and back, one at a time, nothing transferred or shared: p50, and MB/s in both directions together.',
  metrics: sizes.map(({ key, title, bytes }) => ({
    key,
    title,
    format: ms => `${duration(ms)} (${count((2 * bytes) / 1000 / ms)} MB/s)`,
  })),
  options: { bytes: true },
  isFor: isPool,
  async measure(pool, { quick }) {
    const figures: Record<string, number> = {};
    for (const { key, bytes } of sizes) {
      const payload = randomFillSync(new Uint8Array(bytes));
      const call = () => echo(pool, payload);
      await times(quick ? 10 : 200, 2, call);
      figures[key] = median(await times(quick ? 30 : 700, 3, call));
    }
    return figures;
  },
};

async function echo(pool: Pool, payload: Uint8Array): Promise<void> {
  const result = await pool.run('echo', payload);
  const isSame =
    result instanceof Uint8Array &&
    result.length === payload.length &&
    result[result.length - 1] === payload[payload.length - 1];
  if (!isSame) throw new Error('the bytes that came back are not those that were sent');
}
