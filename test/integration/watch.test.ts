import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Ph, startPh } from '../helpers/ph.ts';
import { isAlive, until } from '../helpers/processes.ts';
import { createProject, type Project } from '../helpers/project.ts';

/** Says what it has imported. */
const job = (part: string) => `import { Worker } from 'processhandler';
import { value } from '${part}';
export default class extends Worker {
  override setup() { this.logger.info(\`serves \${value}\`); }
}`;

const plain = (source: string) => source.replace('override ', '');

/** Longer than a change takes to be noticed and settled, ms. */
const longEnough = 600;

interface Watched {
  readonly project: Project;
  readonly ph: Ph;
  /** Resolves when a worker serves this value. Each value is served once only. */
  serves(value: string): Promise<void>;
}

async function watch(t: TestContext, extension: 'mjs' | 'ts', ...flags: string[]): Promise<Watched> {
  const source = job(`./part.${extension}`);
  const project = createProject(t, {
    [`job.${extension}`]: extension === 'ts' ? source : plain(source),
    [`part.${extension}`]: "export const value = 'one';\n",
  });
  const args = ['run', `job.${extension}`, '-t', '0', '--watch', ...flags];
  const ph = startPh(t, args, { cwd: project.directory });
  const serves = async (value: string) => void (await ph.log(`serves ${value}`));
  await serves('one');
  await ph.ready();
  return { project, ph, serves };
}

const reloadsOf = (ph: Ph) => ph.records.filter(({ msg }) => msg === 'reloading').length;

for (const extension of ['mjs', 'ts'] as const) {
  const part = `part.${extension}`;

  test(`--watch: a change of a .${extension} module, or of a file that it imports, restarts the workers`, async t => {
    const { project, ph, serves } = await watch(t, extension, '-w', '2');
    const first = await ph.ready();
    project.write(part, "export const value = 'two';\n");
    await serves('two');
    await until('the old workers are gone', () => [...first.values()].every(pid => !isAlive(pid)));

    const source = job(`./${part}`).replace('serves', 'serves again');
    project.write(`job.${extension}`, extension === 'ts' ? source : plain(source));
    await ph.log('serves again two');
    assert.equal(ph.records.filter(({ msg }) => msg.includes('reload failed')).length, 0);
  });

  test(`--watch: a broken change of a .${extension} module keeps the old workers and says why; mending it recovers`, async t => {
    const { project, ph, serves } = await watch(t, extension);
    const pid = (await ph.ready()).get(1) as number;
    project.write(part, "export const value = 'two;\n");
    const failed = await ph.log('reload failed, everything stays as it was');
    assert.match(failed.msg, /SyntaxError/);
    assert.ok(String(failed.details).includes(`${project.path(part)}:1`), String(failed.details));
    assert.ok(isAlive(pid));

    project.write(part, "export const value = 'three';\n");
    await serves('three');
    await until('the old worker is gone', () => !isAlive(pid));
  });
}

test('--watch: a file that nothing imports, in the same directory or elsewhere, does nothing', async t => {
  const { project, ph } = await watch(t, 'mjs');
  project.write('other.mjs', 'export const value = 1;');
  project.write('notes.txt', 'hello');
  project.write('below/part.mjs', '');
  project.write('ph.ini', '[other]\n');
  await delay(longEnough);
  assert.equal(reloadsOf(ph), 0);
});

test('--watch: a file saved by renaming, as editors do, is seen each time', async t => {
  const { project, serves } = await watch(t, 'mjs');
  for (const value of ['two', 'three', 'four']) {
    project.write('part.mjs~', `export const value = '${value}';\n`);
    renameSync(project.path('part.mjs~'), project.path('part.mjs'));
    await serves(value);
  }
});

test('--watch: a file that is removed and comes back is seen', async t => {
  const { project, ph, serves } = await watch(t, 'mjs');
  rmSync(project.path('part.mjs'));
  await ph.log('reload failed');
  project.write('part.mjs', "export const value = 'two';\n");
  await serves('two');
});

test('--watch: a file that is imported newly is watched, one that no longer is is not', async t => {
  const { project, ph, serves } = await watch(t, 'mjs');
  project.write('new.mjs', "export const value = 'two';\n");
  project.write('job.mjs', plain(job('./new.mjs')));
  await serves('two');
  project.write('new.mjs', "export const value = 'three';\n");
  await serves('three');

  const reloads = reloadsOf(ph);
  project.write('part.mjs', "export const value = 'nobody imports it';\n");
  await delay(longEnough);
  assert.equal(reloadsOf(ph), reloads);
});

test('--watch: where the change is an import of something broken, or not there yet, mending that recovers', async t => {
  const { project, ph, serves } = await watch(t, 'mjs');
  project.write('new.mjs', 'export const value = ;\n');
  project.write('job.mjs', plain(job('./new.mjs')));
  await ph.log('reload failed');
  project.write('new.mjs', "export const value = 'two';\n");
  await serves('two');

  const from = ph.records.length;
  project.write('job.mjs', plain(job('./later.mjs')));
  await ph.log('reload failed', from);
  project.write('later.mjs', "export const value = 'three';\n");
  await serves('three');
});

test('--watch: several sections are watched, and a stop ends the watching too', async t => {
  const project = createProject(t, {
    'ph.ini': '[DEFAULT]\nthreads = 0\n[a]\ntask = a.mjs\n[b]\ntask = b.mjs\n',
    'a.mjs': plain(job('./part-a.mjs')),
    'b.mjs': plain(job('./part-b.mjs')),
    'part-a.mjs': "export const value = 'a1';",
    'part-b.mjs': "export const value = 'b1';",
  });
  const ph = startPh(t, ['run', '--watch'], { cwd: project.directory });
  await ph.ready();
  for (const [file, value] of [
    ['part-b.mjs', 'b2'],
    ['part-a.mjs', 'a2'],
  ] as const) {
    project.write(file, `export const value = '${value}';`);
    await ph.log(`serves ${value}`);
  }
  assert.equal((await ph.stop()).code, 0);
});
