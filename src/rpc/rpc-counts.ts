/** How JSON-RPC calls have ended, by method and code. */

import type { RpcCount } from '../channel/statistics.ts';

/** What clients have called without there being such a method, and what was no call. */
export const unknownMethod = '(unknown)';

/** Further codes of one method, which may be any integers that your errors have, count as `other`. */
const mostCodes = 32;

export class RpcCounts {
  /** Of methods that there are: clients cannot add any. */
  readonly #byMethod = new Map<string, Map<string, number>>();

  /** `code`: `ok`, or that of the error that was answered. */
  count(method: string, code: string): void {
    const counts = this.#byMethod.get(method) ?? this.#add(method);
    const known = counts.has(code) || counts.size < mostCodes ? code : 'other';
    counts.set(known, (counts.get(known) ?? 0) + 1);
  }

  get all(): RpcCount[] {
    return [...this.#byMethod].flatMap(([method, counts]) =>
      [...counts].map(([code, count]) => ({ method, code, count })),
    );
  }

  #add(method: string): Map<string, number> {
    const counts = new Map<string, number>();
    this.#byMethod.set(method, counts);
    return counts;
  }
}
