import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
// Compiled, as it runs in a worker process: it imports the user's file itself.
import { loadTaskModule, type TaskModule } from '../../dist/worker/task-module.js';
import { createProject } from '../helpers/project.ts';

/** In a file of its own each time: a module is loaded once for a path. */
function load(t: TestContext, source: string, name = 'task.mjs'): Promise<TaskModule> {
  return loadFrom(createProject(t, { [name]: source }).path(name));
}

function loadFrom(task: string): Promise<TaskModule> {
  return loadTaskModule({ task, entry: task, loader: undefined });
}

const namesOf = ({ tasks }: TaskModule) => [...tasks.keys()].sort();

test('exported functions are tasks, by their names; the default export is `default`', async t => {
  const module = await load(
    t,
    'export function one() {} export const two = async () => {}; export default function* three() {}; export const four = 4;',
  );
  assert.deepEqual(namesOf(module), ['default', 'one', 'two']);
  assert.equal(module.workerClass, undefined);
});

test('a default class that extends Worker is the Worker, and no task', async t => {
  const module = await load(
    t,
    "import { SyncWorker } from 'processhandler'; export default class Job extends SyncWorker {}; export const task = () => 1;",
  );
  assert.equal(module.workerClass?.name, 'Job');
  assert.deepEqual(namesOf(module), ['task']);
});

test('a module may have a Worker and no task', async t => {
  const module = await load(t, "export { Worker as default } from 'processhandler';");
  assert.equal(module.workerClass?.name, 'Worker');
  assert.deepEqual(namesOf(module), []);
});

test('CommonJS: the functions of module.exports are tasks', async t => {
  const module = await load(t, 'const tasks = { a() {}, b() {}, c: 3 }; module.exports = tasks;', 'task.cjs');
  assert.deepEqual(namesOf(module), ['a', 'b']);
});

test('CommonJS: a function as module.exports is the default task', async t => {
  const module = await load(t, 'module.exports = function () {};', 'task.cjs');
  assert.ok(namesOf(module).includes('default'));
});

test('a class that extends no Worker is neither a task nor a Worker', async t => {
  await assert.rejects(load(t, 'export default class Job {}'), {
    name: 'TaskModuleError',
    code: 'PH_ERR_TASK_MODULE',
    message: /exports no task \(found: default\): export a function, or a default class that extends Worker$/,
  });
});

test('a module that exports nothing is refused, and the message names the file', async t => {
  await assert.rejects(load(t, 'const hidden = () => 1;'), {
    name: 'TaskModuleError',
    message: /task\.mjs exports no task \(found: nothing\)/,
  });
});

test("an error at import is the user's own", async t => {
  await assert.rejects(load(t, "\nthrow Object.assign(new RangeError('no'), { code: 'E_NO' });"), error => {
    assert.ok(error instanceof RangeError);
    assert.equal((error as RangeError & { code: string }).code, 'E_NO');
    assert.match(error.stack ?? '', /task\.mjs:2:/);
    return true;
  });
});

test('a syntax error names file, line and place', async t => {
  await assert.rejects(load(t, '\n\nexport const = 1;\n'), (error: Error) => {
    assert.ok(error instanceof SyntaxError);
    assert.match(error.message, /task\.mjs:3\nexport const = 1;\n\s+\^/);
    return true;
  });
});

test('a syntax error in a file that the module imports names that file', async t => {
  const project = createProject(t, {
    'task.mjs': "export * from './part.mjs';",
    'part.mjs': '\nlet let = 1;\n',
  });
  await assert.rejects(loadFrom(project.path('task.mjs')), (error: Error) => {
    assert.match(error.message, /part\.mjs:2\n/);
    return true;
  });
});
