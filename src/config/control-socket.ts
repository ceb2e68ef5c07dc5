/** Where the control socket of a supervisor is: whoever starts one and whoever looks for one have to agree. */

import { basename, dirname, extname, join } from 'node:path';
import type { LoadOptions } from './load.ts';

/** Beside the pidfile; where there is none, beside ph.ini, or in the directory that takes its place. */
export function defaultControlSocket(
  pidfile: string | undefined,
  { file, directory }: Pick<LoadOptions, 'file' | 'directory'>,
): string {
  if (pidfile !== undefined) return `${pidfile}.sock`;
  if (file === undefined) return join(directory, '.ph.sock');
  return join(dirname(file), `.${basename(file, extname(file))}.sock`);
}
