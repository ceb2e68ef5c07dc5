/** `ph run` */

import { loadConfiguration } from '../../config/load.ts';
import type { Configuration } from '../../config/types.ts';
import { ExitCode } from '../../errors.ts';
import { activatedFds, takeActivated } from '../../supervisor/activation.ts';
import { onCallerGone, reportToCaller, startDaemon, takeDaemonMark } from '../../supervisor/daemon.ts';
import { Listeners } from '../../supervisor/listeners.ts';
import { Supervisor } from '../../supervisor/supervisor.ts';
import { type ConfigurationOptions, loadOptions } from '../configuration.ts';
import { explanation } from '../explain.ts';

export interface RunFlags extends ConfigurationOptions {
  readonly watch?: boolean;
}

export async function run(file: string | undefined, flags: RunFlags): Promise<ExitCode> {
  const isDaemon = takeDaemonMark();
  const options = loadOptions(file, flags);
  const load = () => loadConfiguration(options);
  const configuration = load();
  if (configuration.supervisor.daemonize && !isDaemon) return goToBackground(configuration);

  const listeners = new Listeners({ activated: takeActivated(process.env, isDaemon) });
  const supervisor = new Supervisor({ load, isDaemon, listeners });
  const watcher = flags.watch ? await reloadOnChange(supervisor, configuration) : undefined;
  try {
    return await (isDaemon ? serveForCaller(supervisor) : supervisor.run());
  } finally {
    await watcher?.close();
  }
}

async function goToBackground({ sections }: Configuration): Promise<ExitCode> {
  // The configuration does not load without a log file for each section.
  const [first] = sections.values();
  const bound = [...sections.values()].flatMap(({ bind = [] }) => bind);
  const fds = bound.flatMap(address => (address.type === 'fd' ? address.fd : []));
  const outcome = await startDaemon(first?.logFile as string, [
    ...fds,
    ...activatedFds(process.env, process.pid),
  ]);
  if (outcome.type === 'failed') {
    process.stderr.write(`${outcome.message}\n`);
    return outcome.exitCode;
  }
  for (const warning of outcome.warnings) process.stderr.write(`ph: ${warning}\n`);
  process.stdout.write(`ph: running in the background, pid ${outcome.pid}\n`);
  return ExitCode.done;
}

/** Runs in the background process: the caller waits for a word, and prints it. */
async function serveForCaller(supervisor: Supervisor): Promise<ExitCode> {
  const forgetCaller = onCallerGone(() => supervisor.quit('its caller is gone'));
  supervisor.once('ready', failures => {
    forgetCaller();
    const warnings = [...failures].map(([section, { message }]) => `[${section}] could not boot: ${message}`);
    void reportToCaller({ type: 'ready', warnings });
  });
  try {
    return await supervisor.run();
  } catch (error) {
    const { text, exitCode } = explanation(error);
    await reportToCaller({ type: 'failed', message: text, exitCode });
    throw error;
  }
}

/** Replaces the workers when their code changes; what they import may have changed with it. */
async function reloadOnChange(supervisor: Supervisor, configuration: Configuration) {
  const { watchModules } = await import('../../supervisor/watch.ts');
  const watcher = watchModules(
    () => supervisor.reload(),
    error => process.stderr.write(`ph: --watch: ${error instanceof Error ? error.message : String(error)}\n`),
  );
  const update = ({ sections }: Configuration) =>
    watcher.update([...sections.values()].map(({ task }) => task));
  supervisor.on('reloaded', update);
  await update(configuration);
  return watcher;
}
