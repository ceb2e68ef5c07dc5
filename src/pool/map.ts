/** Runs a task over many inputs, a bounded number of them at a time. */

export interface MapOptions {
  readonly concurrency: number;
  /** Results come in the order of the inputs; otherwise as they are there. */
  readonly ordered: boolean;
}

type Settled<T> =
  | { readonly key: number; readonly value: T }
  | { readonly key: number; readonly error: unknown };

/** Takes an input only when there is room for it: there may be more than memory holds. */
export async function* mapTasks<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  run: (input: Input) => Promise<Output>,
  { concurrency, ordered }: MapOptions,
): AsyncGenerator<Output, void, undefined> {
  const running = new Map<number, Promise<Settled<Output>>>();
  const begin = (key: number, input: Input) =>
    running.set(
      key,
      run(input).then(
        value => ({ key, value }),
        error => ({ key, error }),
      ),
    );
  const next = async () => {
    const [first] = running.values();
    const settled = await (ordered ? first : Promise.race(running.values()));
    if (!settled) throw new Error('nothing runs');
    running.delete(settled.key);
    if ('error' in settled) throw settled.error;
    return settled.value;
  };

  let key = 0;
  for await (const input of inputs) {
    begin(key++, input);
    if (running.size >= concurrency) yield await next();
  }
  while (running.size > 0) yield await next();
}
