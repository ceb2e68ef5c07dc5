/** The place of one call in its exchange: what becomes of the call turns into its part of the answer here. */

import type { Logger } from 'pino';
import type { EndTrace } from '../diagnostics.ts';
import { QueueFullError } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import { type CallMessage, errorText } from './protocol.ts';
import type { CallOwner } from './thread-call.ts';
import { errorObjectOf, isUnexpected } from './thrown.ts';

export interface Reporting {
  readonly logger: Logger;
  /** Whether clients see stacks. */
  readonly stacks: boolean;
  /** A call is over; `code`: `ok`, or that of the error that was answered. */
  readonly count: (method: string, code: string) => void;
}

export class Slot implements CallOwner {
  readonly #exchange: Exchange;
  readonly #place: number;
  readonly #message: CallMessage;
  readonly #reporting: Reporting;
  #isAnswered = false;
  /** Called when the call is over. */
  onOver: EndTrace | undefined;

  constructor(exchange: Exchange, place: number, message: CallMessage, reporting: Reporting) {
    this.#exchange = exchange;
    this.#place = place;
    this.#message = message;
    this.#reporting = reporting;
  }

  /** All that the sender of a notification is told. */
  onAccepted(): void {
    if (this.#message.id === undefined) this.#put(undefined);
  }

  onResponse(text: string | Buffer): void {
    this.#reporting.count(this.#message.method, 'ok');
    this.onOver?.();
    if (this.#message.id !== undefined) this.#put(text);
  }

  onError(error: unknown): void {
    const { id, method } = this.#message;
    const { logger, stacks, count } = this.#reporting;
    const object = errorObjectOf(error, stacks);
    count(method, String(object.code));
    this.onOver?.(error ?? object);
    // Nobody else would hear of it.
    if (isUnexpected(object)) logger.error({ err: error, method }, `method ${method} failed`);
    else if (id === undefined) logger.warn({ err: error, method }, `a notification of ${method} failed`);
    this.#put(id === undefined ? undefined : errorText(object, id), error instanceof QueueFullError);
  }

  #put(text: string | Buffer | undefined, isRefused = false): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#exchange.put(this.#place, text, isRefused);
  }
}
