/** Which of the tasks that wait is next. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PoolTask } from '../../src/pool/pool-task.ts';
import { ageing, TaskQueue } from '../../src/pool/task-queue.ts';
import { createTask } from './tasks.ts';

function queueOf(...tasks: readonly PoolTask[]): TaskQueue {
  const queue = new TaskQueue();
  for (const task of tasks) queue.push(task);
  return queue;
}

test('tasks of one priority go in the order in which they came', () => {
  const tasks = Array.from({ length: 100 }, (_, n) => createTask({ submittedAt: n }));
  assert.deepEqual([...queueOf(...tasks).drain()], tasks);
});

test('an empty queue has nothing', () => {
  const queue = new TaskQueue();
  assert.deepEqual([queue.size, queue.peek(), queue.shift()], [0, undefined, undefined]);
  const task = createTask();
  queue.push(task);
  queue.shift();
  assert.deepEqual([queue.size, queue.peek(), queue.shift()], [0, undefined, undefined]);
});

test('of tasks that came at the same time the highest priority goes first', () => {
  const tasks = [0, 5, -3, 2.5, 1e6, -0.5].map(priority => createTask({ priority }));
  const order = [...queueOf(...tasks).drain()].map(({ priority }) => priority);
  assert.deepEqual(order, [1e6, 5, 2.5, 0, -0.5, -3]);
});

test('one second of waiting makes up for one level of priority', () => {
  const old = createTask({ priority: 0, submittedAt: 0 });
  const sooner = createTask({ priority: 3, submittedAt: 3 * ageing - 1 });
  assert.equal(queueOf(old, sooner).peek(), sooner);
  const later = createTask({ priority: 3, submittedAt: 3 * ageing + 1 });
  assert.equal(queueOf(old, later).peek(), old);
});

test('where age and priority make up for each other the higher priority goes first', () => {
  const old = createTask({ priority: 0, submittedAt: 0 });
  const important = createTask({ priority: 2, submittedAt: 2 * ageing });
  assert.equal(queueOf(old, important).peek(), important);
});

test('nothing starves behind an endless row of more important tasks', () => {
  const old = createTask({ priority: 0, submittedAt: 0 });
  const queue = queueOf(old);
  let now = 0;
  do {
    now += 10;
    queue.push(createTask({ priority: 5, submittedAt: now }));
  } while (queue.shift() !== old);
  assert.ok(now > 5 * ageing && now <= 5 * ageing + 20, String(now));
});

test('a task that is put back goes before all of its priority', () => {
  const [a, b, c] = [0, 1, 2].map(n => createTask({ submittedAt: n })) as [PoolTask, PoolTask, PoolTask];
  const queue = queueOf(a, b);
  assert.equal(queue.shift(), a);
  queue.push(c);
  queue.unshift(a);
  assert.deepEqual([...queue.drain()], [a, b, c]);
  queue.unshift(b);
  assert.equal(queue.shift(), b);
});

test('a task leaves from the front, the middle and the end; the others keep their order', () => {
  for (let at = 0; at < 4; at++) {
    const tasks = Array.from({ length: 4 }, (_, n) => createTask({ submittedAt: n }));
    const queue = queueOf(...tasks);
    const [left] = tasks.splice(at, 1) as [PoolTask];
    queue.remove(left);
    assert.equal(queue.size, 3);
    const last = createTask({ submittedAt: 9 });
    queue.push(last);
    assert.deepEqual([...queue.drain()], [...tasks, last]);
  }
});

test('a task that is not there changes nothing by leaving', () => {
  const here = createTask({ priority: 1 });
  const queue = queueOf(here);
  queue.remove(createTask({ priority: 1 }));
  queue.remove(createTask({ priority: 2 }));
  const gone = createTask({ priority: 1 });
  queue.push(gone);
  queue.remove(gone);
  queue.remove(gone);
  assert.equal(queue.size, 1);
  assert.equal(queue.shift(), here);
});

test('a task that has left can come again', () => {
  const [a, b] = [createTask(), createTask()];
  const queue = queueOf(a, b);
  queue.remove(a);
  queue.push(a);
  assert.deepEqual([...queue.drain()], [b, a]);
});

/** The same, as simple as can be. */
class Model {
  readonly tasks: PoolTask[] = [];

  next(): PoolTask | undefined {
    // Of each priority the first counts; of those that are due alike, the highest.
    const first = [...new Map(this.tasks.toReversed().map(task => [task.priority, task])).values()];
    const due = ({ submittedAt, priority }: PoolTask) => submittedAt - priority * ageing;
    return first.sort((a, b) => due(a) - due(b) || b.priority - a.priority)[0];
  }

  remove(task: PoolTask): void {
    this.tasks.splice(this.tasks.indexOf(task), 1);
  }
}

const command = fc.oneof(
  fc.record({
    type: fc.constant('push' as const),
    priority: fc.integer({ min: -2, max: 3 }),
    wait: fc.nat(2 * ageing),
  }),
  fc.record({ type: fc.constantFrom('shift' as const, 'return' as const, 'remove' as const), at: fc.nat() }),
);

test('whatever is done to it, the queue is as a list that is searched', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), commands => {
      const queue = new TaskQueue();
      const model = new Model();
      const taken: PoolTask[] = [];
      let now = 0;
      for (const each of commands) {
        if (each.type === 'push') {
          now += each.wait;
          const task = createTask({ priority: each.priority, submittedAt: now });
          queue.push(task);
          model.tasks.push(task);
        } else if (each.type === 'shift') {
          const expected = model.next();
          assert.equal(queue.shift(), expected);
          if (expected) {
            model.remove(expected);
            taken.push(expected);
          }
        } else if (each.type === 'return' && taken.length > 0) {
          const [task] = taken.splice(each.at % taken.length, 1) as [PoolTask];
          queue.unshift(task);
          model.tasks.unshift(task);
        } else if (each.type === 'remove' && model.tasks.length > 0) {
          const task = model.tasks[each.at % model.tasks.length] as PoolTask;
          queue.remove(task);
          model.remove(task);
        }
        assert.equal(queue.size, model.tasks.length);
        assert.equal(queue.peek(), model.next());
      }
      for (let task = model.next(); task; task = model.next()) {
        assert.equal(queue.shift(), task);
        model.remove(task);
      }
      assert.equal(queue.shift(), undefined);
    }),
  );
});

test('priorities that were used once, such as times of day, cost nothing later', () => {
  const fresh = new TaskQueue();
  const used = new TaskQueue();
  for (let n = 0; n < 20_000; n++) {
    used.push(createTask({ priority: -n }));
    used.shift();
  }
  const timeOf = (queue: TaskQueue) => {
    const start = performance.now();
    for (let n = 0; n < 2000; n++) {
      queue.push(createTask({ priority: n % 2 }));
      queue.shift();
    }
    return performance.now() - start;
  };
  timeOf(fresh);
  const [quick, slow] = [timeOf(fresh), timeOf(used)];
  assert.ok(slow < 50 * quick, `${slow} ms instead of ${quick}`);
});
