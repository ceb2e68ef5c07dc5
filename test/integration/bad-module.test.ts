import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { runPh } from '../helpers/ph.ts';
import { processesIn, until } from '../helpers/processes.ts';
import { createProject, type Project } from '../helpers/project.ts';

const fine = 'export const task = () => 1;\n';
const offending = 'export const broken = (;';
const offendingCommonJs = 'exports.broken = (;';

/** Runs a task module that cannot boot to the end; returns what `ph` says last, after its log. */
async function failToBoot(
  t: TestContext,
  file: string,
  files: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<{ says: string; project: Project }> {
  const project = createProject(t, files);
  const flags = ['-t', '1', '--set', 'pidfile=ph.pid', ...args];
  const { code, stdout, stderr } = await runPh(t, ['run', file, ...flags], { cwd: project.directory });
  assert.equal(code, 5, stderr);
  assert.equal(stdout, '');
  assert.doesNotMatch(stderr, /\bdist\/|node:internal|node_modules\/(piscina|tsx|esbuild)|Promise\.all/);
  assert.ok(!existsSync(project.path('ph.pid')), 'no pidfile is left');
  await until('no process is left', () => processesIn(project.directory).length === 0);
  const says = stderr
    .split('\n')
    .filter(line => !line.startsWith('{"level":'))
    .join('\n');
  const section = file.replace(/\..*/, '');
  assert.ok(says.startsWith(`ph: no worker could boot: ${section}\n[${section}] `), says);
  return { says, project };
}

for (const extension of ['mjs', 'ts', 'cjs'] as const) {
  const line = extension === 'cjs' ? offendingCommonJs : offending;
  const load = extension === 'cjs' ? "require('./part.cjs');" : `import './part.${extension}';`;

  test(`a syntax error in a .${extension} module is shown with file, line and code, exit code 5`, async t => {
    const name = `task.${extension}`;
    const { says, project } = await failToBoot(t, name, { [name]: `// one\n${line}\n` });
    assertPlace(says, project.path(name), 2, line);
  });

  test(`a syntax error in a file that a .${extension} module imports is shown with that file's place`, async t => {
    const name = `task.${extension}`;
    const files = { [name]: `${load}\n`, [`part.${extension}`]: `// one\n// two\n${line}\n` };
    const { says, project } = await failToBoot(t, name, files);
    assertPlace(says, project.path(`part.${extension}`), 3, line);
  });
}

test('a syntax error in a .ts module with ts = tsx is shown with file, line and code', async t => {
  const { says, project } = await failToBoot(
    t,
    'task.ts',
    { 'task.ts': `// one\n${offending}\n` },
    '--set',
    'ts=tsx',
  );
  assertPlace(says, project.path('task.ts'), 2, offending);
});

for (const extension of ['mjs', 'ts'] as const) {
  test(`an error at import of a .${extension} module is the user's own, with the user's stack only`, async t => {
    const name = `task.${extension}`;
    const { says, project } = await failToBoot(t, name, {
      [name]: `${fine}\nconst inner = () => { throw new RangeError('no luck'); };\ninner();\n`,
    });
    assert.match(says, /\[task\] RangeError: no luck\n {4}at inner \(/);
    const frames = says.split('\n').filter(line => /^\s+at /.test(line));
    assert.equal(frames.length, 2, says);
    assert.ok(frames[0]?.includes(`${project.path(name)}:3:`), says);
    assert.ok(frames[1]?.includes(`${project.path(name)}:4:`), says);
  });
}

test("own properties and cause of the user's error are shown", async t => {
  const { says } = await failToBoot(t, 'task.mjs', {
    'task.mjs': `throw Object.assign(new Error('no table', { cause: new TypeError('no database') }), { table: 'users' });`,
  });
  assert.match(says, /Error: no table/);
  assert.match(says, /table: 'users'/);
  assert.match(says, /TypeError: no database/);
});

test('something thrown that is no error is shown, and how to do better', async t => {
  const { says } = await failToBoot(t, 'task.mjs', { 'task.mjs': "throw 'no luck';" });
  assert.equal(says.split('\n')[1], "[task] 'no luck' was thrown: throw an Error to see where");
});

for (const [what, source, found] of [
  ['nothing', 'const hidden = () => 1;', 'nothing'],
  ['no function', 'export const limit = 3; export class Helper {}', 'Helper, limit'],
] as const) {
  test(`a module that exports ${what} is told what to export`, async t => {
    const { says, project } = await failToBoot(t, 'task.mjs', { 'task.mjs': source });
    assert.equal(
      says.split('\n').slice(1).join('\n'),
      `[task] TaskModuleError: ${project.path('task.mjs')} exports no task (found: ${found}): ` +
        'export a function, or a default class that extends Worker\n',
    );
  });
}

test('an import of a file that is not there names it and who imports it', async t => {
  const { says, project } = await failToBoot(t, 'task.mjs', { 'task.mjs': "import './gone.mjs';" });
  assert.match(says, /Cannot find module '.*gone\.mjs' imported from /);
  assert.ok(says.includes(project.path('task.mjs')));
});

test('an import of a name that is not exported is shown with its place', async t => {
  const line = "import { gone } from './part.mjs';";
  const { says, project } = await failToBoot(t, 'task.mjs', { 'task.mjs': `\n${line}\n`, 'part.mjs': fine });
  assertPlace(says, project.path('task.mjs'), 2, line);
  assert.match(says, /does not provide an export named 'gone'/);
});

test('a module that ends the process at import is told apart', async t => {
  const { says } = await failToBoot(t, 'task.mjs', { 'task.mjs': 'process.exit(3);' });
  assert.match(says, /^\[task\] exited with code 3 before it was ready$/m);
});

test('an error in the constructor of the Worker is a boot failure', async t => {
  const { says } = await failToBoot(t, 'task.mjs', {
    'task.mjs': `import { Worker } from 'processhandler';
      export default class Job extends Worker {
        constructor(context) { super(context); throw new Error('no luck'); }
      }`,
  });
  assert.match(says, /^\[task\] Error: no luck\n {4}at new Job \(/m);
});

const strips = Boolean((process.features as { typescript?: unknown }).typescript);

test('TypeScript that Node cannot strip is told the way out, ts = tsx, and with it works', {
  skip: !strips && 'this Node does not strip types',
}, async t => {
  const files = { 'task.ts': 'export enum Colour { red }\nexport const task = () => Colour.red;\n' };
  const { says, project } = await failToBoot(t, 'task.ts', files);
  assertPlace(says, project.path('task.ts'), 1, 'export enum Colour { red }');
  assert.match(says, /set `ts = tsx` for this section/);

  const { code } = await runPh(t, ['check', 'task.ts', '--set', 'ts=tsx'], { cwd: project.directory });
  assert.equal(code, 0);
});

function assertPlace(text: string, file: string, line: number, code: string): void {
  assert.ok(text.includes(`${file}:${line}`), `${file}:${line} is not in:\n${text}`);
  assert.ok(text.includes(code), `the code is not in:\n${text}`);
}
