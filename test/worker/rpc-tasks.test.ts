/** JSON-RPC calls on real threads, beside each other: where they wait, and how many may. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallOwner, ThreadCall } from '../../dist/rpc/thread-call.js';
import { type Channel, startChannel } from './batches.ts';

/** Submits a call of each method in one turn; returns their results, and how many were accepted. */
function submit(channel: Channel, ...calls: readonly (readonly [method: string, param: unknown])[]) {
  const results: Promise<unknown>[] = [];
  const tasks = calls.map(([method, param]) => {
    const text = Buffer.from(JSON.stringify({ jsonrpc: '2.0', method, params: [param], id: 1 }));
    const call = { name: method, kind: 'rpc', timeout: 0, attempt: 1 } as const;
    let owner: CallOwner | undefined;
    results.push(
      new Promise((resolve, reject) => {
        owner = {
          onAccepted() {},
          onResponse: response => resolve(JSON.parse(response.toString()).result),
          onError: reject,
        };
      }),
    );
    return new ThreadCall(call, text, '', owner as unknown as CallOwner, channel.threads);
  });
  return { accepted: channel.threads.submitRpc(tasks), results };
}

test('as many calls are accepted as there are threads and places to wait, also right after others have ended', async t => {
  const channel = await startChannel(t, '', { threads: 1, maxQueue: 1 });
  for (let round = 0; round < 50; round++) {
    const { accepted, results } = submit(channel, ['counted', round], ['counted', round], ['counted', round]);
    assert.equal(accepted, 2, `round ${round}`);
    assert.deepEqual(await Promise.all(results.slice(0, accepted)), [round, round]);
  }
});

test('S35 a call that waits behind a long one goes to whichever thread is free first', async t => {
  const channel = await startChannel(t, '', { threads: 2 });
  const first = submit(channel, ['block', 0]).results;
  await channel.untilBegun(0);
  await new Promise(resolve => setTimeout(resolve, 2));
  channel.release(0);
  // From now on calls of this method are known to take more than a millisecond.
  await Promise.all(first);
  for (let n = 1; n <= 10; n++) {
    const { results } = submit(channel, ['block', n], ['block', 0], ['block', 0], ['block', 0]);
    await Promise.all(results.slice(1));
    channel.release(n);
    await results[0];
  }
});
