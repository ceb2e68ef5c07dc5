import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { CompileError } from '../../src/errors.ts';
import { compileTaskModule } from '../../src/group/compile.ts';
import { createProject } from '../helpers/project.ts';

const load = async (task: string) => import(pathToFileURL(await compileTaskModule(task)).href);

test('a module and the files that it imports become one, as Node would have run them', async t => {
  const project = createProject(t, {
    'tsconfig.json': '{ "compilerOptions": { "paths": { "@lib/*": ["./lib/*"] } } }',
    'package.json': '{ "type": "module", "imports": { "#own": "./lib/own.ts" } }',
    'task.ts': `
      import { a } from './lib/a';
      import { b } from '@lib/b.ts';
      import { own } from '#own';
      import data from './data.json' with { type: 'json' };
      export enum Colour { red = 'r' }
      export const all = (): string => [a(), b(), own, data.text, Colour.red].join();
    `,
    'lib/a.ts': `const name: string = 'a'; export const a = () => name;`,
    'lib/b.ts': `const name = 'b' as const; export const b = () => name;`,
    'lib/own.ts': `export const own = 'own';`,
    'data.json': '{ "text": "json" }',
  });
  assert.equal((await load(project.path('task.ts'))).all(), 'a,b,own,json,r');
});

test('a module keeps its place: import.meta and __dirname are those of its own file', async t => {
  const project = createProject(t, {
    'task.ts': `
      export { place } from './lib/place.ts';
      export const url: string = import.meta.url;
    `,
    'lib/place.ts': `export const place: string[] = [import.meta.url, import.meta.dirname, __filename];`,
  });
  const { url, place } = await load(project.path('task.ts'));
  assert.equal(url, pathToFileURL(project.path('task.ts')).href);
  assert.deepEqual(place, [
    pathToFileURL(project.path('lib/place.ts')).href,
    project.path('lib'),
    project.path('lib/place.ts'),
  ]);
});

test('a package is imported from where it is, and exists once', async t => {
  const project = createProject(t, {
    'task.ts': `
      import { counter } from 'counter';
      export { counter };
      export const again = () => import('counter');
    `,
    'node_modules/counter/package.json': '{ "name": "counter", "exports": { "import": "./index.mjs" } }',
    'node_modules/counter/index.mjs': 'export const counter = { url: import.meta.url };',
  });
  const { counter, again } = await load(project.path('task.ts'));
  assert.equal(counter.url, pathToFileURL(project.path('node_modules/counter/index.mjs')).href);
  assert.equal((await again()).counter, counter);
});

test('an optional dependency that is missing is missing only where it is asked for', async t => {
  const project = createProject(t, {
    'task.ts': `export const has = async () => import('not-installed').then(() => true, () => false);`,
  });
  assert.equal(await (await load(project.path('task.ts'))).has(), false);
});

test('an error has the line of the source', async t => {
  const project = createProject(t, {
    'task.ts': `interface Wide {\n  x: number;\n}\n\nexport function fail(_: Wide): never {\n  throw new Error('here');\n}\n`,
  });
  process.setSourceMapsEnabled(true);
  t.after(() => process.setSourceMapsEnabled(false));
  const { fail } = await load(project.path('task.ts'));
  assert.throws(fail, (error: Error) => error.stack?.includes(`${project.path('task.ts')}:6:`) === true);
});

test('what does not compile is reported with file, line and the code that is wrong', async t => {
  const project = createProject(t, {
    'syntax.ts': 'export const fine = 1;\nexport const broken = ;\n',
    'missing.ts': "import './nowhere.ts';\n",
  });
  await assert.rejects(compileTaskModule(project.path('syntax.ts')), (error: CompileError) => {
    assert.ok(error instanceof CompileError);
    assert.ok(error.details.startsWith(`${project.path('syntax.ts')}:2:23\nexport const broken = ;\n`));
    return true;
  });
  await assert.rejects(compileTaskModule(project.path('missing.ts')), /Could not resolve "\.\/nowhere\.ts"/);
});

test('unchanged content is stored once, changed content beside it', async t => {
  const project = createProject(t, { 'task.ts': 'export const one = (): number => 1;' });
  const [first, second] = [
    await compileTaskModule(project.path('task.ts')),
    await compileTaskModule(project.path('task.ts')),
  ];
  assert.equal(first, second);
  project.write('task.ts', 'export const two = (): number => 2;');
  assert.notEqual(await compileTaskModule(project.path('task.ts')), first);
});

test('many compilations at once do not end each other', async t => {
  const names = Array.from({ length: 20 }, (_, n) => `task${n}.ts`);
  const project = createProject(
    t,
    Object.fromEntries(names.map((name, n) => [name, `export const n: number = ${n};`])),
  );
  const modules = await Promise.all(names.map(name => load(project.path(name))));
  assert.deepEqual(
    modules.map(({ n }) => n),
    names.map((_, n) => n),
  );
});

test('a cache directory that others can write to is refused', async t => {
  const project = createProject(t, { 'task.ts': 'export const one = (): number => 1;' });
  const cache = project.path(`processhandler-${process.getuid?.()}`);
  mkdirSync(cache);
  chmodSync(cache, 0o777);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = project.directory;
  t.after(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  await assert.rejects(
    compileTaskModule(project.path('task.ts')),
    /not a directory that only this user can write to/,
  );
});
