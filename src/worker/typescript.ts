/** Loads TypeScript through tsx, where Node does not do it by itself. */

/**
 * Must run in each thread that loads a task module: Node 20 knows module hooks per thread, and `--import tsx` registers
 * them on the main thread only.
 */
export async function registerTsx(): Promise<void> {
  const [esm, cjs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]);
  cjs.register();
  esm.register();
}
