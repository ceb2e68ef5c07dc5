/** The environment that a section gives to its worker processes. */

import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigError } from '../errors.ts';
import type { SectionConfig } from './types.ts';

/**
 * The variables of `env_file`, read anew, overlaid by those of `environment`; without prototype.
 *
 * @throws {ConfigError} the file has become unreadable.
 */
export function workerEnvironment(
  section: Pick<SectionConfig, 'name' | 'envFile' | 'environment'>,
): Record<string, string> {
  const { name, envFile, environment } = section;
  return Object.assign(Object.create(null), readVariables(name, envFile), environment);
}

function readVariables(section: string, file: string | undefined): NodeJS.Dict<string> {
  if (file === undefined) return {};
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    const message = `cannot be read: ${(error as Error).message}`;
    throw new ConfigError([{ file, section, key: 'env_file', code: 'PH_ERR_CONFIG_PATH', message }]);
  }
}
