/** Tasks without a Worker: functions for the threads of a pool, or of `ph run tasks/math.ts`. */

import type { TaskContext } from 'processhandler';

/** The n-th Fibonacci number, in the slow way that keeps a core busy. */
export function fib({ n }: { readonly n: number }): number {
  return n < 2 ? n : fib({ n: n - 1 }) + fib({ n: n - 2 });
}

/** The primes from `from` on, one by one, for as long as there is a reader. */
export function* primes({ from }: { readonly from: number }): Generator<number, void, undefined> {
  for (let n = Math.max(2, from); ; n++) if (isPrime(n)) yield n;
}

/** How many primes are below `limit`; looks now and then whether anybody still waits. */
export function countPrimes({ limit }: { readonly limit: number }, context: TaskContext): number {
  let count = 0;
  for (let n = 2; n < limit; n++) {
    if (n % 10_000 === 0 && context.signal.aborted) break;
    if (isPrime(n)) count++;
  }
  return count;
}

/** Once on every thread, before the first task: whatever is expensive the first time. */
export function prepare({ warm }: { readonly warm: boolean }): boolean {
  if (warm) fib({ n: 20 });
  return warm;
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}
