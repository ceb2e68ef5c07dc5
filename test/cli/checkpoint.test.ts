import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { CheckpointFile, type MapIdentity, type MapProgress } from '../../src/cli/map/checkpoint.ts';
import { CheckpointError } from '../../src/errors.ts';
import { createProject } from '../helpers/project.ts';

const identity: MapIdentity = { task: '/tasks.mjs#default', format: 'ndjson', output: '/out' };
const progress: MapProgress = {
  done: [
    [0, 3, 17],
    [5, 6, 18],
  ],
  failed: 1,
  outputLength: 99,
};
const content = { version: 1, ...identity, ...progress };

function pathIn(t: TestContext, text?: string): string {
  const project = createProject(t, {});
  return text === undefined ? project.path('cp') : project.write('cp', text);
}

/** What it is refused with. */
async function refusal(path: string, asked: MapIdentity = identity): Promise<string> {
  const error = await CheckpointFile.open(path, asked).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CheckpointError && error.path === path && error.exitStatus === 2, String(error));
  return error.message;
}

test('what is noted is what the next one finds, and is on the disk before it is noted', async t => {
  const path = pathIn(t);
  const checkpoint = await CheckpointFile.open(path, identity);
  assert.equal(checkpoint.earlier, undefined);
  const noted = () => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined);
  let now: MapProgress = { done: [], failed: 0, outputLength: 0 };
  const order: unknown[] = [];
  const sync = async () => {
    await turn();
    order.push(noted()?.outputLength);
  };
  await checkpoint.start(() => now, sync, assert.ifError);
  assert.deepEqual(noted(), { version: 1, ...identity, ...now });
  now = progress;
  checkpoint.changed();
  await checkpoint.close(true);
  assert.deepEqual(order, [undefined, 0]);
  assert.deepEqual(noted(), content);
});

test('one that has nothing in it goes with a run that came to nothing; one of an earlier run stays', async t => {
  const nothing: MapProgress = { done: [], failed: 0, outputLength: 0 };
  for (const [before, discard, stays] of [
    [undefined, true, false],
    [undefined, false, true],
    [JSON.stringify({ ...content, ...nothing }), true, true],
  ] as const) {
    const path = pathIn(t, before);
    const checkpoint = await CheckpointFile.open(path, identity);
    await checkpoint.start(
      () => nothing,
      async () => {},
      assert.ifError,
    );
    await checkpoint.close(discard);
    assert.deepEqual([before, discard, existsSync(path)], [before, discard, stays]);
  }
});

test('a checkpoint of something else is refused, and says of what', async t => {
  for (const [asked, message] of [
    [
      { ...identity, task: '/b#c' },
      /belongs to task \/tasks\.mjs#default, not \/b#c\. Remove it to start anew/,
    ],
    [{ ...identity, format: 'lines' }, /belongs to format ndjson, not lines\./],
    [{ ...identity, output: undefined }, /belongs to output \/out, not stdout\./],
    [{ ...identity, format: 'glob', output: '/2' }, /format ndjson, not glob; output \/out, not \/2\./],
  ] as const) {
    const path = pathIn(t, JSON.stringify(content));
    assert.match(await refusal(path, asked), message);
    assert.equal(readFileSync(path, 'utf8'), JSON.stringify(content));
  }
  const { earlier } = await CheckpointFile.open(pathIn(t, JSON.stringify(content)), identity);
  assert.deepEqual(earlier, content);
});

test('what is no checkpoint is refused and left alone', async t => {
  const overlapping = [
    [0, 3, 1],
    [2, 5, 1],
  ];
  for (const text of [
    '',
    'no json',
    '[]',
    '{"version":1}',
    JSON.stringify({ ...content, version: 2 }),
    JSON.stringify({ ...content, done: [[3, 3, 1]] }),
    JSON.stringify({ ...content, done: [[0, 3]] }),
    JSON.stringify({ ...content, done: overlapping }),
    JSON.stringify({ ...content, outputLength: -1 }),
  ]) {
    const path = pathIn(t, text);
    assert.match(await refusal(path), /is no checkpoint of ph map; name another file$/);
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

test('a place where it cannot be is refused at once; one that goes later is told once', async t => {
  const project = createProject(t, {});
  assert.match(
    await refusal(project.path('nix/cp')),
    /its directory cannot be used: no such file or directory$/,
  );
  mkdirSync(project.path('directory'));
  assert.match(await refusal(project.path('directory')), /cannot be read: illegal operation on a directory$/);

  const checkpoint = await CheckpointFile.open(project.path('cp'), identity);
  // In the way of the new one.
  mkdirSync(project.path('cp.new'));
  const failures: Error[] = [];
  await checkpoint.start(
    () => progress,
    async () => {},
    error => failures.push(error),
  );
  for (let time = 0; time < 2; time++) {
    checkpoint.changed();
    await checkpoint.close(false);
  }
  assert.equal(failures.length, 1);
  assert.match(failures[0]?.message ?? '', /cp: cannot be written: illegal operation on a directory$/);
});
