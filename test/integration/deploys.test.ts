import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { cleanUp } from '../helpers/cleanup.ts';
import { addressesOf } from '../helpers/clients.ts';
import { failuresOf, type Load, type LoadOptions, startLoad } from '../helpers/load.ts';
import { isReadyLine, type LogRecord } from '../helpers/ph.ts';
import { until } from '../helpers/processes.ts';
import { iniText } from '../helpers/project.ts';
import { app, type Deployment, deploy, pidIn, upgrade } from '../helpers/upgrade.ts';

/** Takes up to 4 ms for an answer, so that some requests are always in hand. */
const service = `
import http from 'node:http';
import { Worker } from 'processhandler';

export default class extends Worker {
  async initProcess() {
    for (const listener of this.listeners) {
      const server = http.createServer((request, response) => {
        request.resume();
        request.on('end', () => setTimeout(() => response.end('done'), Math.random() * 4));
      });
      await this.serve(server, listener);
    }
  }
}
`;

const brokenOnRequest = `
import { existsSync } from 'node:fs';
while (!existsSync('fail')) await new Promise(resolve => setTimeout(resolve, 10));
throw new Error('broken');
`;

const isDrained = ({ exit }: LogRecord) => exit === 'drained';

const keys = {
  number_workers: 2,
  bind: '127.0.0.1:0, unix:app.sock',
  max_restarts: 1_000_000,
  restart_delay: 0,
};

/** Two workers on a TCP and a Unix socket, and clients on both: with connections that are kept, and with one for each request. */
async function startUnderLoad(t: TestContext) {
  const deployment = await deploy(t, keys, { 'app.mjs': service });
  const [address] = await addressesOf(deployment.ph);
  const tcp = { url: `http://${address}` };
  const unix = { url: 'http://localhost', socketPath: deployment.project.path('app.sock') };
  const clients: Record<string, LoadOptions> = {
    'TCP, keep-alive': { ...tcp, connections: 3, connection: 'keep-alive' },
    'TCP, a connection per request': { ...tcp, connections: 3, connection: 'close' },
    'Unix, keep-alive, POST': {
      ...unix,
      connections: 2,
      connection: 'keep-alive',
      method: 'POST',
      body: 'x'.repeat(10_000),
    },
    'Unix, a connection per request': { ...unix, connections: 2, connection: 'close' },
  };
  const loads = new Map(Object.entries(clients).map(([name, options]) => [name, startLoad(options)]));
  cleanUp(t, () => {
    for (const load of loads.values()) load.end();
  });
  return { ...deployment, loads };
}

async function assertNoFailure(
  t: TestContext,
  what: string,
  loads: ReadonlyMap<string, Load>,
): Promise<void> {
  for (const [name, load] of loads) {
    const result = await load.lap();
    const { answered, ...failed } = result;
    t.diagnostic(`${what}: ${answered} requests answered, ${failuresOf(result)} failed (${name})`);
    assert.ok(answered > 100, `${what}: ${answered} requests by ${name}`);
    assert.equal(failuresOf(result), 0, `${what}, ${name}: ${JSON.stringify(failed)}`);
  }
}

async function reload({ ph, project }: Deployment): Promise<void> {
  const mark = ph.records.length;
  process.kill(pidIn(project) as number, 'SIGHUP');
  await ph.logs(isReadyLine, 2, mark);
  await ph.logs(isDrained, 2, mark);
}

async function scale({ ph, project }: Deployment, signal: 'SIGTTIN' | 'SIGTTOU'): Promise<void> {
  const mark = ph.records.length;
  process.kill(pidIn(project) as number, signal);
  await ph.log(signal === 'SIGTTIN' ? isReadyLine : isDrained, mark);
}

/** The new workers of one section are ready, and have connections, when that of another one fails. */
async function failUpgrade({ ph, project }: Deployment): Promise<void> {
  const broken = { ...app, task: 'broken.mjs' };
  project.write('broken.mjs', brokenOnRequest);
  project.write('ph.ini', iniText({ app: { ...app, ...keys }, broken }));
  const mark = ph.records.length;
  process.kill(pidIn(project) as number, 'SIGUSR2');
  await ph.logs(record => isReadyLine(record) && record.section === 'app', 2, mark);
  project.write('fail', '');
  await ph.log(/^upgrade failed.*some workers could not boot: broken/, mark);
}

test('S01 S02 under load 20 reloads, 20 scale steps, 3 upgrades and one that fails: no request fails', async t => {
  const { loads, ...deployment } = await startUnderLoad(t);
  for (let round = 0; round < 20; round++) await reload(deployment);
  await assertNoFailure(t, '20 reloads', loads);
  for (let round = 0; round < 10; round++) {
    await scale(deployment, 'SIGTTIN');
    await scale(deployment, 'SIGTTOU');
  }
  await assertNoFailure(t, '20 scale steps', loads);
  for (let round = 0; round < 3; round++) await upgrade(deployment);
  await assertNoFailure(t, '3 upgrades', loads);
  await failUpgrade(deployment);
  await assertNoFailure(t, 'an upgrade that fails', loads);
});

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
