/** From the flags that `ph` commands share to a configuration. */

import { resolve } from 'node:path';
import { findConfiguration } from '../config/find.ts';
import type { LoadOptions } from '../config/load.ts';
import { ConfigError } from '../errors.ts';

export interface ConfigurationOptions {
  readonly config?: string;
  readonly section?: readonly string[];
  readonly workers?: string;
  readonly threads?: string;
  readonly bind?: readonly string[];
  readonly set?: ReadonlyMap<string, string>;
  readonly logFormat?: string;
  readonly daemon?: boolean;
}

/** Everything that a reload needs to read the same configuration again, wherever the process is by then. */
export function loadOptions(file: string | undefined, options: ConfigurationOptions): LoadOptions {
  const directory = workingDirectory();
  const overrides = new Map(options.set);
  const flags = {
    number_workers: options.workers,
    threads: options.threads,
    bind: options.bind?.join(','),
    log_format: options.logFormat,
    daemonize: options.daemon === undefined ? undefined : String(options.daemon),
  };
  for (const [key, value] of Object.entries(flags)) if (value !== undefined) overrides.set(key, value);
  return {
    file: options.config === undefined ? findConfiguration(directory) : resolve(directory, options.config),
    directory,
    // As it is now: what a configuration sets for its workers never finds its way back into it.
    env: { ...process.env },
    overrides,
    ...(options.section && { sections: options.section }),
    task: file,
  };
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    const message = 'the working directory does not exist any more; change to another one';
    throw new ConfigError([{ file: 'command line', code: 'PH_ERR_CONFIG_PATH', message }]);
  }
}
