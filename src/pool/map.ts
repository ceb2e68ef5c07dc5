/** Runs a task over many inputs, a bounded number of them at a time. */

import { withResolvers } from '../promise.ts';

export interface MapOptions {
  /** Inputs that are in hand at a time. */
  readonly concurrency: number;
  /** Results come in the order of the inputs; otherwise as they are there. */
  readonly ordered: boolean;
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

/** Takes an input only when there is room for it: there may be more than memory holds. */
export async function* mapTasks<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  run: (input: Input) => Promise<Output>,
  { concurrency, ordered }: MapOptions,
): AsyncGenerator<Output, void, undefined> {
  const iterator =
    Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  /** Results that nobody has taken, by number of their input; in the order in which they came. */
  const settled = new Map<number, Settled<Output>>();
  let change = withResolvers<void>();
  let begun = 0;
  let taken = 0;
  let isPulling = false;
  let isExhausted = false;
  let inputFailure: { readonly error: unknown } | undefined;

  const settle = (key: number, outcome: Settled<Output>) => {
    settled.set(key, outcome);
    change.resolve();
  };
  const pull = async () => {
    isPulling = true;
    try {
      const { done, value } = await iterator.next();
      if (done) {
        isExhausted = true;
      } else {
        const key = begun++;
        run(value).then(
          result => settle(key, { value: result }),
          error => settle(key, { error }),
        );
      }
    } catch (error) {
      isExhausted = true;
      inputFailure = { error };
    }
    isPulling = false;
    change.resolve();
  };
  const next = (): Settled<Output> | undefined => {
    const key = ordered ? taken : settled.keys().next().value;
    const outcome = key === undefined ? undefined : settled.get(key);
    if (outcome) settled.delete(key as number);
    return outcome;
  };

  try {
    for (;;) {
      if (!isPulling && !isExhausted && begun - taken < concurrency) void pull();
      const outcome = next();
      if (outcome) {
        taken++;
        if ('error' in outcome) throw outcome.error;
        yield outcome.value;
      } else if (inputFailure) {
        throw inputFailure.error;
      } else if (isExhausted && begun === taken) {
        return;
      } else {
        await change.promise;
        change = withResolvers<void>();
      }
    }
  } finally {
    const returned = isExhausted ? undefined : iterator.return?.();
    // One that waits for its next input would keep whoever leaves waiting as well.
    if (isPulling) Promise.resolve(returned).catch(() => {});
    else await returned;
  }
}
