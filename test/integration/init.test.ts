import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../helpers/command.ts';
import { phEntry, startPh } from '../helpers/ph.ts';
import { createProject, type Project, packageRoot } from '../helpers/project.ts';

const files = ['package.json', 'ph.ini', 'tasks/hello.ts', 'test/hello.test.js'];

/** What `npm install` would do. */
function install(root: string): void {
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
  symlinkSync(packageRoot, join(root, 'node_modules/processhandler'));
  chmodSync(phEntry, 0o755);
  symlinkSync('../processhandler/dist/cli/main.js', join(root, 'node_modules/.bin/ph'));
}

function filesIn({ directory }: Project): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(path => !path.startsWith('node_modules'))
    .sort();
}

function empty(t: TestContext): Project {
  return createProject(t, {});
}

test('ph init writes a project whose ph run and npm test work as it is, and whose task ph map runs', async t => {
  const project = empty(t);
  const { code, stdout, stderr } = await runCommand(t, project, ['init', 'My App!']);
  assert.equal(code, 0, stderr);
  const root = project.path('My App!');
  assert.match(stdout, /Next:\n {2}cd 'My App!'\n {2}npm install\n {2}npx ph run\n {2}npm test\n$/);
  for (const file of files) assert.ok(stdout.includes(`  ${file}\n`) && existsSync(join(root, file)), file);
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  const { name, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(name, 'my-app');
  assert.deepEqual(dependencies, { processhandler: `^${version}` });

  install(root);
  // A test that runs tests must not tell the inner ones that they are part of the outer ones.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const tested = execFileSync('npm', ['test'], { cwd: root, env, encoding: 'utf8' });
  assert.match(tested, /pass 1$/m);
  const ph = startPh(t, ['run'], { cwd: root });
  await ph.log(/^hello: 2² = 4$/);
  assert.equal((await ph.stop()).code, 0);
  const args = ['map', 'My App!/tasks/hello.ts#square', '-p', '1'];
  assert.equal((await runCommand(t, project, args, { input: '7\n' })).stdout, '{"input":7,"result":49}\n');
});

test('ph init . takes an empty directory, or one with other files, and never overwrites: it says what is there', async t => {
  const project = empty(t);
  project.write('README.md', 'mine');
  assert.equal((await runCommand(t, project, ['init', '.'])).code, 0);
  const written = filesIn(project);
  assert.deepEqual(written, ['README.md', ...files, 'tasks', 'test'].sort());

  const other = empty(t);
  other.write('ph.ini', 'mine');
  other.write('test/hello.test.js', 'mine too');
  const { code, stderr } = await runCommand(t, other, ['init']);
  assert.equal(code, 1);
  const there = [other.path('ph.ini'), other.path('test/hello.test.js')].join(', ');
  assert.equal(stderr, `ph: nothing was written, since there is already: ${there}\n`);
  assert.deepEqual(filesIn(other), ['ph.ini', 'test', 'test/hello.test.js']);
  assert.equal(readFileSync(other.path('ph.ini'), 'utf8'), 'mine');
});

test('ph init undoes what it has written where it cannot write all', async t => {
  const project = empty(t);
  project.write('app/test', 'a file where a directory has to be');
  const { code, stderr } = await runCommand(t, project, ['init', 'app']);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^ph: cannot write to .*app: file already exists\n$|^ph: cannot write to .*app: not a directory\n$/,
  );
  assert.deepEqual(filesIn(project), ['app', 'app/test']);
  const onFile = await runCommand(t, project, ['init', 'app/test']);
  assert.equal(onFile.code, 2);
  assert.match(onFile.stderr, /app\/test is no directory; name another/);
});
