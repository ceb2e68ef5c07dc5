/** What tests of upgrades share: a project whose workers can be held up while they boot, and the steps of an upgrade. */

import { rmSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { readPid } from '../../src/supervisor/pidfile.ts';
import { type Ph, type PhOptions, startPh } from './ph.ts';
import { createProject, iniText, type Project, workerModule } from './project.ts';

export type Keys = Readonly<Record<string, string | number>>;

export const app: Keys = { task: 'app.mjs', threads: 0, pidfile: 'ph.pid' };

/** Says its environment; waits in its boot for as long as there is a file `hold`. */
export const holdable = workerModule(
  `async setup() {
    console.log('boots');
    while (existsSync('hold')) await new Promise(resolve => setTimeout(resolve, 10));
    this.logger.info('env ' + JSON.stringify(process.env));
  }`,
  `import { existsSync } from 'node:fs';`,
);

export interface Deployment {
  readonly ph: Ph;
  readonly project: Project;
}

/** A supervisor that is ready. */
export async function deploy(
  t: TestContext,
  keys: Keys = {},
  files: Readonly<Record<string, string>> = {},
  options: Partial<PhOptions> = {},
): Promise<Deployment> {
  const project = createProject(t, {
    'app.mjs': holdable,
    'ph.ini': iniText({ app: { ...app, ...keys } }),
    ...files,
  });
  const ph = startPh(t, ['run'], { cwd: project.directory, ...options });
  await ph.ready();
  return { ph, project };
}

/** USR2 to the supervisor that the pidfile names; returns the pid of the new one, and where in the log it begins. */
export async function requestUpgrade({ ph, project }: Deployment): Promise<{ pid: number; mark: number }> {
  const mark = ph.records.length;
  process.kill(pidIn(project) as number, 'SIGUSR2');
  const { successor } = await ph.log('is to take over', mark);
  return { pid: successor as number, mark };
}

/** An upgrade from USR2 until the old supervisor is gone. */
export async function upgrade(deployment: Deployment): Promise<{ pid: number; mark: number }> {
  const { ph, project } = deployment;
  const old = pidIn(project);
  const { pid, mark } = await requestUpgrade(deployment);
  await ph.log(record => record.msg === 'stopped' && record.pid === old, mark);
  return { pid, mark };
}

/** An upgrade whose new worker boots until `release` is called. */
export async function startHeldUpgrade(deployment: Deployment) {
  const { ph, project } = deployment;
  project.write('hold', '');
  const { pid, mark } = await requestUpgrade(deployment);
  await ph.log('boots', mark);
  return { pid, mark, release: () => rmSync(project.path('hold')) };
}

export function pidIn(project: Project, name = 'ph.pid'): number | undefined {
  return readPid(project.path(name));
}
