/** Why a worker process ended, told from what the kernel and the worker itself said. Pure. */

import type { ErrorReport } from '../channel/control.ts';

/** What the master itself did to end a worker; absent when it ended without us. */
export type Ending =
  | { readonly cause: 'drain' }
  /** A graceful end that took longer than `graceful_timeout`. */
  | { readonly cause: 'cut'; readonly graceful: number }
  | { readonly cause: 'quit' }
  | {
      readonly cause: 'boot-timeout';
      readonly limit: number /** Where its main thread was. */;
      readonly place?: string;
    }
  | { readonly cause: 'silent'; readonly limit: number };

export interface ExitFacts {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly ready: boolean;
  readonly ending: Ending | undefined;
  readonly bootError: ErrorReport | undefined;
  /** Set when no process could be started at all. */
  readonly spawnError: Error | undefined;
  /** The last text that came on stderr. */
  readonly lastWords: string;
}

export const exitKinds = [
  'drained',
  'quit',
  'clean',
  'crash',
  'signal',
  'out-of-memory',
  /** KILL, by somebody else or by the kernel that ran out of memory: nobody tells which. */
  'killed',
  'boot-failure',
  'boot-timeout',
  'timeout',
  'cut',
] as const;

export type ExitKind = (typeof exitKinds)[number];

export interface ExitReason {
  readonly kind: ExitKind;
  /** For the log: `exited with code 1`. */
  readonly text: string;
  /** Whether nobody had asked for it: the restart policy decides what follows. */
  readonly unexpected: boolean;
  /** Whether something went wrong; a clean exit is unexpected and no failure. */
  readonly failure: boolean;
}

const seconds = (ms: number) => `${ms / 1000} s`;

export function classifyExit(facts: ExitFacts): ExitReason {
  const { ending, code, signal } = facts;
  switch (ending?.cause) {
    case 'drain':
      return code === 0
        ? { kind: 'drained', text: 'drained', unexpected: false, failure: false }
        : {
            kind: 'drained',
            text: `${plainExit(code, signal)} while draining`,
            unexpected: false,
            failure: true,
          };
    case 'quit':
      return { kind: 'quit', text: 'ended at once', unexpected: false, failure: false };
    case 'cut':
      return {
        kind: 'cut',
        text: `killed: still busy ${seconds(ending.graceful)} after it was asked to stop (graceful_timeout)`,
        unexpected: false,
        failure: true,
      };
    case 'boot-timeout':
      return failure(
        'boot-timeout',
        `killed: not ready within ${seconds(ending.limit)} (boot_timeout)${ending.place ? `, in ${ending.place}` : ''}`,
      );
    case 'silent':
      return failure('timeout', `killed: its main thread was silent for ${seconds(ending.limit)} (timeout)`);
    case undefined:
      return classifyOwnEnd(facts);
  }
}

function classifyOwnEnd({ code, signal, ready, bootError, spawnError, lastWords }: ExitFacts): ExitReason {
  if (spawnError) return failure('boot-failure', `could not be started: ${spawnError.message}`);
  if (bootError) return failure('boot-failure', `could not boot: ${bootError.message}`);
  const early = ready ? '' : ' before it was ready';
  // V8 prints this line, then aborts.
  if (signal === 'SIGABRT' && lastWords.includes('heap out of memory')) {
    return failure('out-of-memory', `ran out of JavaScript heap memory${early}`);
  }
  if (signal === 'SIGKILL') {
    return failure(
      'killed',
      `killed by SIGKILL${early}, not by ph: if it was nobody else, it was the kernel, out of memory`,
    );
  }
  if (signal) return failure('signal', `killed by ${signal}${early}`);
  if (!ready) return failure('boot-failure', `${plainExit(code, signal)}${early}`);
  if (code === 0) return { kind: 'clean', text: 'exited with code 0', unexpected: true, failure: false };
  return failure('crash', plainExit(code, signal));
}

function failure(kind: ExitKind, text: string): ExitReason {
  return { kind, text, unexpected: true, failure: true };
}

function plainExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ? `killed by ${signal}` : `exited with code ${code}`;
}
