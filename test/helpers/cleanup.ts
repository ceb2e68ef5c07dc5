/** What a test leaves behind goes in the opposite order: a process ends before its directory is removed. */

import type { TestContext } from 'node:test';

const stacks = new WeakMap<TestContext, (() => unknown)[]>();

/** Runs `action` when the test ends; one that fails does not keep the others from running. */
export function cleanUp(t: TestContext, action: () => unknown): void {
  const stack = stacks.get(t);
  if (stack) {
    stack.push(action);
    return;
  }
  const actions = [action];
  stacks.set(t, actions);
  t.after(async () => {
    const errors: unknown[] = [];
    for (const each of actions.reverse()) {
      try {
        await each();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  });
}
