/** What a thread of the pool and its host tell each other, beside Piscina's own messages. */

import type { ErrorReport } from '../channel/control.ts';
import type { Thrown } from '../channel/error-value.ts';

/** One task on its way to a thread. */
export interface ThreadCall {
  readonly id: number;
  readonly name: string;
  readonly payload: unknown;
}

export type ThreadReply = { readonly result: unknown } | { readonly thrown: Thrown };

export type ThreadMessage =
  | { readonly type: 'loaded'; readonly tasks: readonly string[] }
  | { readonly type: 'load-failed'; readonly error: ErrorReport }
  | { readonly type: 'begun'; readonly id: number; readonly threadId: number };
