import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { failuresOf } from '../helpers/load.ts';
import { isReadyLine } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { startUnderLoad } from '../helpers/under-load.ts';

test('under load 50 KILLs of random workers: only what is in flight on the killed worker fails', async t => {
  const { loads, ph } = await startUnderLoad(t);
  let inFlight = 0;
  const killed = new Set<number>();
  while (killed.size < 50) {
    const ready = await ph.logs(isReadyLine, killed.size + 2);
    const candidates = ready.map(({ workerPid }) => workerPid as number).filter(pid => !killed.has(pid));
    const victim = candidates[Math.floor(Math.random() * candidates.length)] as number;
    // Stopped, it takes no further connection, so that those that it has can be counted.
    process.kill(victim, 'SIGSTOP');
    await until('it has stopped', () => /\) T /.test(readFileSync(`/proc/${victim}/stat`, 'utf8')));
    inFlight += connectionsOf(victim);
    process.kill(victim, 'SIGKILL');
    killed.add(victim);
  }
  await ph.logs(isReadyLine, killed.size + 2);
  let failures = 0;
  for (const [name, load] of loads) {
    const result = await load.lap();
    const { answered, non2xx, timeouts } = result;
    t.diagnostic(`50 KILLs: ${answered} requests answered, ${failuresOf(result)} failed (${name})`);
    assert.deepEqual({ non2xx, timeouts }, { non2xx: 0, timeouts: 0 }, name);
    assert.equal(result.errors.ECONNREFUSED, undefined, name);
    failures += failuresOf(result);
  }
  t.diagnostic(`${failures} requests failed; the killed workers had ${inFlight} connections`);
  assert.ok(failures <= inFlight);
});

/** Connections of clients that a process has: its sockets on either address, but for those that listen. */
function connectionsOf(pid: number): number {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    }),
  );
  const established = readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '01' && inodes.has(inode as string));
  const onSocketFile = readFileSync(`/proc/${pid}/net/unix`, 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, , , , , state, inode, path]) => state === '03' && path && inodes.has(inode as string));
  return established.length + onSocketFile.length;
}
