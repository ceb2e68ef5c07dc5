import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { onAbort } from '../../src/pool/abort.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('a signal has one listener, however many share it, and none when all have gone', () => {
  const { signal } = new AbortController();
  const forget = Array.from({ length: 1000 }, () => onAbort(signal, () => {}));
  assert.equal(listeners(signal), 1);
  const [last, ...others] = forget;
  for (const each of others) each();
  assert.equal(listeners(signal), 1);
  last?.();
  assert.equal(listeners(signal), 0);
});

test('all who share a signal are called, once', () => {
  const controller = new AbortController();
  const called: number[] = [];
  for (let n = 0; n < 100; n++) onAbort(controller.signal, () => called.push(n));
  controller.abort();
  controller.abort();
  assert.deepEqual(called, [...Array(100).keys()]);
});

test('who has gone before is not called', () => {
  const controller = new AbortController();
  const called: string[] = [];
  onAbort(controller.signal, () => called.push('stays'));
  onAbort(controller.signal, () => called.push('goes'))();
  controller.abort();
  assert.deepEqual(called, ['stays']);
});

test('one and the same callback can be there twice, and one of them can go', () => {
  const controller = new AbortController();
  let calls = 0;
  const callback = () => {
    calls++;
  };
  const forget = onAbort(controller.signal, () => callback());
  onAbort(controller.signal, () => callback());
  forget();
  controller.abort();
  assert.equal(calls, 1);
});

test('going twice, or after the abort, takes nobody else along', () => {
  const controller = new AbortController();
  const { signal } = controller;
  let calls = 0;
  const first = onAbort(signal, () => {});
  first();
  onAbort(signal, () => calls++);
  first();
  assert.equal(listeners(signal), 1);
  controller.abort();
  first();
  assert.equal(calls, 1);
});

test('one that is called may take another out, which is then not called', () => {
  const controller = new AbortController();
  const called: string[] = [];
  let forget = () => {};
  onAbort(controller.signal, () => {
    called.push('first');
    forget();
  });
  forget = onAbort(controller.signal, () => called.push('second'));
  onAbort(controller.signal, () => called.push('third'));
  controller.abort();
  assert.deepEqual(called, ['first', 'third']);
});

test('signals are apart from each other', () => {
  const [a, b] = [new AbortController(), new AbortController()];
  const called: string[] = [];
  onAbort(a.signal, () => called.push('a'));
  onAbort(b.signal, () => called.push('b'));
  b.abort();
  assert.deepEqual(called, ['b']);
  assert.equal(listeners(a.signal), 1);
  assert.equal(listeners(b.signal), 0);
});

test('a signal can be used again by others once all have gone', () => {
  const controller = new AbortController();
  const { signal } = controller;
  onAbort(signal, () => {})();
  let calls = 0;
  onAbort(signal, () => calls++);
  controller.abort();
  assert.equal(calls, 1);
});
