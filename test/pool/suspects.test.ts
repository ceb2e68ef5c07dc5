/** Tasks that may have crashed a process run alone, and leave others something to run on. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PoolTask } from '../../src/pool/pool-task.ts';
import { Suspects } from '../../src/pool/suspects.ts';
import type { WorkerLink } from '../../src/pool/worker-link.ts';
import { createTask, TestLink } from './tasks.ts';

interface Placed {
  readonly link: TestLink;
  readonly task: PoolTask;
}

function createLinks(count: number, outstanding: readonly number[] = []): TestLink[] {
  return Array.from({ length: count }, (_, i) => {
    const link = new TestLink();
    for (let n = 0; n < (outstanding[i] ?? 0); n++) link.add(createTask(), 1);
    return link;
  });
}

function suspectsOf(count: number): { suspects: Suspects; tasks: PoolTask[] } {
  const suspects = new Suspects();
  const tasks = Array.from({ length: count }, () => createTask());
  for (const task of tasks) suspects.add(task);
  return { suspects, tasks };
}

/** As the dispatcher does it. */
function place(suspects: Suspects, links: readonly WorkerLink[]): Placed[] {
  const placed: Placed[] = [];
  suspects.place(links, (link, task) => {
    link.add(task, 1);
    placed.push({ link: link as TestLink, task });
  });
  return placed;
}

test('without suspects every process takes other tasks', () => {
  const { suspects } = suspectsOf(0);
  const links = createLinks(3, [0, 2, 5]);
  assert.deepEqual(place(suspects, links), []);
  for (const link of links) assert.equal(suspects.isFree(link), true);
});

test('where there is one process it runs one suspect at a time, and nothing else', async () => {
  const { suspects, tasks } = suspectsOf(2);
  const links = createLinks(1);
  const [link] = links as [TestLink];
  for (const task of tasks) {
    assert.deepEqual(place(suspects, links), [{ link, task }]);
    assert.deepEqual(place(suspects, links), []);
    assert.equal(suspects.isFree(link), false);
    await link.finish(task);
  }
  place(suspects, links);
  assert.equal(suspects.isFree(link), true);
});

for (const [count, most] of [
  [2, 1],
  [3, 2],
  [8, 7],
] as const) {
  test(`of ${count} processes ${most} run a suspect each, and one is left to others`, async () => {
    const { suspects, tasks } = suspectsOf(20);
    const links = createLinks(count);
    const placed = place(suspects, links);
    assert.deepEqual(
      placed.map(({ task }) => task),
      tasks.slice(0, most),
    );
    assert.equal(new Set(placed.map(({ link }) => link)).size, most);
    assert.equal(links.filter(link => suspects.isFree(link)).length, 1);
    assert.equal(suspects.size, 20 - most);
    // One that has ended makes room for the next, and for no more.
    const [{ link, task }] = placed as [Placed];
    await link.finish(task);
    assert.deepEqual(place(suspects, links), [{ link, task: tasks[most] }]);
    assert.equal(links.filter(each => suspects.isFree(each)).length, 1);
  });
}

test('a process with work is not given a suspect; the least busy one gets no more work until it is idle', async () => {
  const { suspects, tasks } = suspectsOf(1);
  const links = createLinks(3, [5, 1, 3]);
  const [, least] = links as [TestLink, TestLink, TestLink];
  assert.deepEqual(place(suspects, links), []);
  assert.deepEqual(
    links.map(link => suspects.isFree(link)),
    [true, false, true],
  );
  const [last] = least.tasks;
  await least.finish(last as PoolTask);
  assert.deepEqual(place(suspects, links), [{ link: least, task: tasks[0] }]);
});

test('no process is kept free for suspects that have gone elsewhere', () => {
  const { suspects, tasks } = suspectsOf(1);
  const links = createLinks(2, [2, 1]);
  place(suspects, links);
  suspects.remove(tasks[0] as PoolTask);
  place(suspects, links);
  for (const link of links) assert.equal(suspects.isFree(link), true);
});

test('a suspect can be taken out, and all of them', () => {
  const { suspects, tasks } = suspectsOf(3);
  suspects.remove(tasks[1] as PoolTask);
  suspects.remove(createTask());
  assert.equal(suspects.size, 2);
  assert.deepEqual(suspects.drain(), [tasks[0], tasks[2]]);
  assert.equal(suspects.size, 0);
});

test('a broadcast that ends beside a suspect does not end its quarantine', async () => {
  const { suspects, tasks } = suspectsOf(1);
  const links = createLinks(2);
  const [{ link }] = place(suspects, links) as [Placed];
  const broadcast = createTask({ kind: 'broadcast' });
  link.add(broadcast, 0);
  await link.finish(broadcast);
  place(suspects, links);
  assert.equal(suspects.isFree(link), false);
  await link.finish(tasks[0] as PoolTask);
  place(suspects, links);
  assert.equal(suspects.isFree(link), true);
});

test('whatever is placed and ends, no suspect has company, and of two processes one is left to others', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.record({ suspects: fc.nat(3), others: fc.nat(3), ends: fc.nat(3) }), { maxLength: 20 }),
      async (count, rounds) => {
        const suspects = new Suspects();
        const links = createLinks(count);
        const isSuspect = new Set<PoolTask>();
        for (const { suspects: more, others, ends } of rounds) {
          for (let n = 0; n < more; n++) suspects.add(createTask());
          for (const { task } of place(suspects, links)) isSuspect.add(task);
          const free = links.filter(link => suspects.isFree(link));
          if (count > 1) assert.ok(free.length > 0, 'one is free');
          for (let n = 0; n < others && free.length > 0; n++) free[n % free.length]?.add(createTask(), 1);
          for (const link of links) {
            const tasks = [...link.tasks];
            if (tasks.some(task => isSuspect.has(task))) assert.equal(tasks.length, 1);
          }
          for (let n = 0; n < ends; n++) {
            const link = links.find(({ outstanding }) => outstanding > 0);
            const [task] = link?.tasks ?? [];
            if (task) await link?.finish(task);
          }
        }
      },
    ),
    { numRuns: 30 },
  );
});
