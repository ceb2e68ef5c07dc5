/** `createPool()`: the two tiers as a library. */

import type { TwoTierPool } from './pool.ts';
import type { PoolOptions } from './pool-options.ts';
import type { TaskPoolApi, UntypedModule } from './types.ts';

/** A pool whose task module has the type `Module`. */
export type Pool<Module = UntypedModule> = TaskPoolApi<Module> &
  Omit<TwoTierPool, keyof TaskPoolApi | 'start' | 'onSettled'>;

/**
 * Starts worker processes with threads in them, for the tasks of a module: its exported functions. A process that
 * crashes, hangs or outgrows its limits is replaced, and costs only what it had been sent.
 *
 * @param filename the task module: a path, which counts from the current directory, or a `file:` URL
 * @returns when all worker processes are ready
 * @throws {ConfigError} with everything that is wrong with the options
 * @throws {BootError} where no process could load the module; with the module's own error and its stack
 */
export async function createPool<Module = UntypedModule>(
  filename: string | URL,
  options: PoolOptions = {},
): Promise<Pool<Module>> {
  // Loaded here, since every thread whose task module imports this package would pay for it at its start.
  const [{ resolvePoolOptions }, { TwoTierPool }] = await Promise.all([
    import('./options.ts'),
    import('./pool.ts'),
  ]);
  const pool = new TwoTierPool(resolvePoolOptions(filename, options));
  await pool.start();
  // The module's type is known to the compiler alone.
  return pool as unknown as Pool<Module>;
}
