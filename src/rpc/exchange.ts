/** One body, a call or a batch of them, until there is an answer to it. */

import { errorText, type RpcErrorObject, type RpcId } from './protocol.ts';

/** The answer to one body. */
export interface Reply {
  /** JSON, as a text or in UTF-8; undefined: there is nothing to be answered, as to notifications. */
  readonly text: string | Buffer | undefined;
  /** Not one of its calls was begun, since `max_queue` calls wait already. */
  readonly isOverloaded: boolean;
}

/** What is to be given up when nobody waits any more for the answer. */
interface Cancellable {
  cancel(): void;
}

export class Exchange {
  /** How many calls it is of. */
  readonly calls: number;
  readonly #isBatch: boolean;
  #texts: (string | Buffer | undefined)[];
  #running: Cancellable[] = [];
  readonly #onReply: (reply: Reply) => void;
  #open: number;
  #refused = 0;

  /** `calls`: of a batch, how many it has. */
  constructor(onReply: (reply: Reply) => void, calls?: number) {
    this.#onReply = onReply;
    this.#isBatch = calls !== undefined;
    this.calls = calls ?? 1;
    this.#open = this.calls;
    this.#texts = new Array(this.#open);
  }

  /** The answer to its call number `place`; undefined: none, since it is a notification. */
  put(place: number, text: string | Buffer | undefined, isRefused = false): void {
    this.#texts[place] = text;
    if (isRefused) this.#refused++;
    if (--this.#open === 0) this.#reply();
  }

  putError(place: number, { error, id }: { readonly error: RpcErrorObject; readonly id: RpcId }): void {
    this.put(place, errorText(error, id));
  }

  /** There is an answer, or nobody waits for one. */
  get isOver(): boolean {
    return this.#open === 0;
  }

  /** To be given up with the exchange. */
  add(call: Cancellable): void {
    this.#running.push(call);
  }

  /** Nobody waits for the answer any more. */
  cancel(): void {
    const running = this.#running;
    this.#open = 0;
    this.#forget();
    for (const call of running) call.cancel();
  }

  #reply(): void {
    const texts = this.#texts;
    const isOverloaded = this.#refused === texts.length;
    // Whoever knows the exchange must not keep its answer.
    this.#forget();
    this.#onReply({ text: this.#isBatch ? joined(texts) : texts[0], isOverloaded });
  }

  #forget(): void {
    this.#texts = [];
    this.#running = [];
  }
}

/** A JSON array of what there is to be answered; undefined where that is nothing. */
function joined(texts: readonly (string | Buffer | undefined)[]): Buffer | undefined {
  const answers = texts.filter(text => text !== undefined);
  if (answers.length === 0) return undefined;
  const parts = answers.flatMap((text, i) => [i === 0 ? '[' : ',', text]);
  return Buffer.concat([...parts, ']'].map(part => (typeof part === 'string' ? Buffer.from(part) : part)));
}
