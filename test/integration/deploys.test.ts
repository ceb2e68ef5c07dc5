import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { failuresOf, type Load } from '../helpers/load.ts';
import { isReadyLine, type LogRecord } from '../helpers/ph.ts';
import { iniText } from '../helpers/project.ts';
import { keysUnderLoad, startUnderLoad } from '../helpers/under-load.ts';
import { app, type Deployment, pidIn, upgrade } from '../helpers/upgrade.ts';

const brokenOnRequest = `
import { existsSync } from 'node:fs';
while (!existsSync('fail')) await new Promise(resolve => setTimeout(resolve, 10));
throw new Error('broken');
`;

const isDrained = ({ exit }: LogRecord) => exit === 'drained';

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
  project.write('ph.ini', iniText({ app: { ...app, ...keysUnderLoad }, broken }));
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
