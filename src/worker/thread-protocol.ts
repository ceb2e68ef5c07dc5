/** What a thread of the pool and its host tell each other, beside Piscina's own messages. */

import type { ErrorReport, TypescriptLoader } from '../channel/control.ts';
import type { Thrown } from '../channel/error-value.ts';

/** What a thread is started with. */
export interface ThreadData {
  /** Absolute path of the task module. */
  readonly task: string;
  readonly loader: TypescriptLoader | undefined;
}

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
