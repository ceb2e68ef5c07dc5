import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { originOf } from '../../src/supervisor/origin.ts';
import { createProject } from '../helpers/project.ts';

type Facts = Parameters<typeof originOf>[0];

/** A process in `real`, which `link` leads to. */
function setUp(t: TestContext) {
  const project = createProject(t, {});
  mkdirSync(project.path('real'));
  symlinkSync('real', project.path('link'));
  symlinkSync(process.execPath, project.path('node'));
  const [real, link] = [project.path('real'), project.path('link')];
  const origin = (facts: Partial<Facts>) =>
    originOf({
      argv: [process.execPath, `${real}/ph.js`, 'run'],
      argv0: 'node',
      execArgv: [],
      execPath: process.execPath,
      env: {},
      cwd: () => real,
      ...facts,
    });
  return { project, real, link, origin };
}

test('the working directory has the name of PWD where that leads to it, and so has a script in it', t => {
  const { real, link, origin } = setUp(t);
  const at = (PWD: string | undefined) => {
    const { directory, args } = origin({ env: { PWD } });
    return [directory, args[0]];
  };
  assert.deepEqual(at(link), [link, `${link}/ph.js`]);
  assert.deepEqual(at(real), [real, `${real}/ph.js`]);
  for (const stale of [undefined, '', 'link', '/', `${link}/none`])
    assert.deepEqual(at(stale), [real, `${real}/ph.js`], stale);
});

test('a script outside of the working directory keeps its path; flags of Node and arguments stay', t => {
  const { project, link, origin } = setUp(t);
  const argv = [process.execPath, project.path('really/ph.js'), 'run', '-w', '2'];
  const { args } = origin({ env: { PWD: link }, argv, execArgv: ['--no-warnings'] });
  assert.deepEqual(args, ['--no-warnings', project.path('really/ph.js'), 'run', '-w', '2']);
});

test('Node is named as it was called, by path or through PATH, where that is the one that runs', t => {
  const { project, origin } = setUp(t);
  const { directory } = project;
  assert.equal(origin({ argv0: project.path('node') }).command, project.path('node'));
  assert.equal(origin({ env: { PATH: `/nowhere:${directory}` } }).command, project.path('node'));
  writeFileSync(project.path('real/node'), '', { mode: 0o755 });
  for (const facts of [
    { env: { PATH: `${directory}/real:${directory}` } },
    { env: {} },
    { argv0: project.path('gone') },
    { argv0: '' },
  ]) {
    assert.equal(origin(facts).command, process.execPath, JSON.stringify(facts));
  }
});
