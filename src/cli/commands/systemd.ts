/** `ph systemd` */

import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findKey, KEYS } from '../../config/keys.ts';
import { loadConfiguration } from '../../config/load.ts';
import { ExitCode } from '../../errors.ts';
import { type ConfigurationOptions, loadOptions } from '../configuration.ts';
import { unitText } from '../systemd/unit.ts';

export interface SystemdFlags extends ConfigurationOptions {
  readonly user?: string;
}

export async function systemd(file: string | undefined, flags: SystemdFlags): Promise<ExitCode> {
  const options = loadOptions(file, flags);
  const configuration = loadConfiguration(options);
  const ph = [process.execPath, fileURLToPath(new URL('../main.js', import.meta.url))];
  const command = [
    ...ph,
    'run',
    ...(file === undefined ? [] : [resolve(file)]),
    ...(options.file === undefined ? [] : ['--config', options.file]),
    ...(flags.section ?? []).flatMap(section => ['--section', section]),
    ...[...(options.overrides ?? [])].flatMap(([key, text]) => ['--set', `${key}=${absolute(key, text)}`]),
    // The service manager does what a daemon would, and better.
    '--no-daemon',
  ];
  const reload = [...ph, 'reload', '--socket', configuration.supervisor.controlSocket];
  process.stdout.write(unitText({ configuration, command, reload, user: flags.user ?? accountName() }));
  const missing = KEYS.map(({ name }) => `PH_${name.toUpperCase()}`).filter(name => process.env[name]);
  if (missing.length > 0) {
    const text = `${missing.join(', ')} had effect here, and is not in the unit: add it with EnvironmentFile=`;
    process.stderr.write(`ph systemd: ${text}\n`);
  }
  return ExitCode.done;
}

/** Paths of the command line count from here, which need not be the unit's working directory. */
function absolute(key: string, text: string): string {
  return findKey(key)?.kind.absolute?.(text, process.cwd()) ?? text;
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container the number may have no name.
    return String(process.getuid?.());
  }
}
