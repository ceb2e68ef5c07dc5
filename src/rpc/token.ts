/** The bearer token of a service. */

import { createHash, timingSafeEqual } from 'node:crypto';

export class Token {
  readonly #digest: Buffer;

  constructor(token: string) {
    this.#digest = digestOf(token);
  }

  /** Of an `Authorization` header. Takes equally long however much of the token is right. */
  isIn(header: string | undefined): boolean {
    const [, given] = /^Bearer +(\S+) *$/i.exec(header ?? '') ?? [];
    // Digests, since only what is equally long can be compared in that way.
    return given !== undefined && timingSafeEqual(digestOf(given), this.#digest);
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
