/** What comes of a stream task, kept until its reader takes it: no more than the reader has asked for. */

import { withResolvers } from '../promise.ts';
import type { TaskFailure, TaskOutcome } from './pool-task.ts';

export class StreamReader implements TaskOutcome {
  readonly #window: number;
  readonly #onTaken: (items: number) => void;
  readonly #items: unknown[] = [];
  #end: { readonly failure?: TaskFailure } | undefined;
  #arrival = withResolvers<void>();
  #taken = 0;

  /** `window` items may be on their way; `onTaken` asks for more of them. */
  constructor(window: number, onTaken: (items: number) => void) {
    this.#window = window;
    this.#onTaken = onTaken;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  item(value: unknown): void {
    this.#items.push(value);
    this.#arrival.resolve();
  }

  resolve(): void {
    this.#end = {};
    this.#arrival.resolve();
  }

  reject(failure: TaskFailure): void {
    this.#end = { failure };
    this.#arrival.resolve();
  }

  /** Throws the `TaskFailure` of a stream that failed, after the items that came before. */
  async *read(): AsyncGenerator<unknown, void, undefined> {
    for (;;) {
      while (this.#items.length > 0) {
        yield this.#items.shift();
        this.#askForMore();
      }
      if (this.#end?.failure) throw this.#end.failure;
      if (this.#end) return;
      await this.#arrival.promise;
      this.#arrival = withResolvers<void>();
    }
  }

  /** In portions: a message for each item would cost as much as the item. */
  #askForMore(): void {
    this.#taken++;
    if (this.#taken < this.#window / 2) return;
    this.#onTaken(this.#taken);
    this.#taken = 0;
  }
}
