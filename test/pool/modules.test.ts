/** Files that a call may name beside the task module of its pool. */

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { CompileError, TaskModuleError } from '../../src/errors.ts';
import { Modules } from '../../src/pool/modules.ts';
import { loadTaskModule } from '../../src/worker/task-module.ts';
import { createProject } from '../helpers/project.ts';

const isNative = Boolean((process.features as { typescript?: string | false }).typescript);

test('a file can be named by its path, from the current directory as well, and by its URL', async t => {
  const project = createProject(t, { 'täsk #1.mjs': 'export default 1;' });
  const path = project.path('täsk #1.mjs');
  const modules = new Modules('auto');
  const expected = { task: path, entry: path, loader: undefined };
  const url = pathToFileURL(path);
  const forms = [
    path,
    relative(process.cwd(), path),
    join(project.directory, '.', 'x', '..', 'täsk #1.mjs'),
    url,
    url.href,
  ];
  for (const form of forms) assert.deepEqual(await modules.source(form), expected, String(form));
});

test('a file is prepared once, whichever way it is named', async t => {
  const path = createProject(t, { 'task.mjs': 'export default 1;' }).path('task.mjs');
  const modules = new Modules('auto');
  const first = await modules.source(path);
  assert.equal(await modules.source(pathToFileURL(path)), first);
  assert.notEqual(await new Modules('auto').source(path), first);
});

test('a file that is not there is told by its path, and found when it is', async t => {
  const project = createProject(t, {});
  const path = project.path('task.mjs');
  const modules = new Modules('auto');
  for (let n = 0; n < 2; n++) {
    await assert.rejects(modules.source(path), (error: unknown) => {
      assert.ok(error instanceof TaskModuleError, String(error));
      assert.equal(error.message, `${path} does not exist`);
      return true;
    });
  }
  project.write('task.mjs', 'export default 1;');
  assert.equal((await modules.source(path)).entry, path);
});

test('a URL of another kind is refused', async () => {
  const modules = new Modules('auto');
  for (const url of ['https://example.org/task.mjs', 'data:text/javascript,export default 1']) {
    await assert.rejects(async () => modules.source(new URL(url)), { code: 'ERR_INVALID_URL_SCHEME' });
  }
});

for (const extension of ['ts', 'mts', 'cts', 'tsx']) {
  test(`a .${extension} file is loaded as TypeScript`, async t => {
    const code =
      extension === 'cts' ? 'exports.one = (): number => 1;' : 'export const one = (): number => 1;';
    const path = createProject(t, { [`task.${extension}`]: code }).path(`task.${extension}`);
    const source = await new Modules('auto').source(path);
    assert.equal(source.task, path);
    // Node itself strips types from no .tsx.
    assert.equal(source.loader, isNative && extension !== 'tsx' ? 'native' : 'compiled');
    assert.deepEqual([...(await loadTaskModule(source)).tasks.keys()], ['one']);
  });
}

for (const ts of ['native', 'tsx'] as const) {
  test(`with ts = ${ts} a file is left to that`, async t => {
    const path = createProject(t, { 'task.ts': 'export const one = (): number => 1;' }).path('task.ts');
    assert.deepEqual(await new Modules(ts).source(path), { task: path, entry: path, loader: ts });
  });
}

test('a file that does not compile is told with its place, and taken when it is mended', {
  skip: isNative && 'nothing is compiled where Node strips types',
}, async t => {
  const project = createProject(t, { 'task.ts': 'export const one = (): number => {;' });
  const path = project.path('task.ts');
  const modules = new Modules('auto');
  await assert.rejects(modules.source(path), (error: unknown) => {
    assert.ok(error instanceof CompileError, String(error));
    assert.match(error.details, /task\.ts:1:/);
    return true;
  });
  project.write('task.ts', 'export const one = (): number => 1;');
  assert.equal((await modules.source(path)).loader, 'compiled');
});

test('what was compiled stays usable when its source has gone', {
  skip: isNative && 'nothing is compiled where Node strips types',
}, async t => {
  const path = createProject(t, { 'task.ts': 'export const two = (): number => 2;' }).path('task.ts');
  const modules = new Modules('auto');
  const { entry } = await modules.source(path);
  rmSync(path);
  assert.equal((await modules.source(path)).entry, entry);
  assert.equal((await import(pathToFileURL(entry).href)).two(), 2);
});
