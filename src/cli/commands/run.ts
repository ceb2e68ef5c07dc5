/** `ph run` */

import { loadConfiguration } from '../../config/load.ts';
import type { Configuration } from '../../config/types.ts';
import { ContainerDaemonError, ExitCode } from '../../errors.ts';
import { activatedFds, takeActivated } from '../../supervisor/activation.ts';
import { type ContainerRole, giveUpProcessOne, takeContainerRole } from '../../supervisor/container.ts';
import { startDaemon, takeDaemonMark } from '../../supervisor/daemon.ts';
import { type Handover, takeHandover } from '../../supervisor/handover.ts';
import { removeTraces } from '../../supervisor/instance.ts';
import { Listeners, type ListenersOptions } from '../../supervisor/listeners.ts';
import { originOf } from '../../supervisor/origin.ts';
import { onParentGone, reportToParent } from '../../supervisor/parent.ts';
import { Supervisor } from '../../supervisor/supervisor.ts';
import { takeSystemd } from '../../supervisor/systemd.ts';
import { type ConfigurationOptions, loadOptions } from '../configuration.ts';
import { explanation } from '../explain.ts';

export interface RunFlags extends ConfigurationOptions {
  readonly watch?: boolean;
}

/** For whom this process was started. */
interface Start {
  /** `ph run -d` waits until this process, which is its background, is ready. */
  readonly hasCaller: boolean;
  /** From the supervisor that this one is to replace. */
  readonly handover: Handover | undefined;
  readonly container: ContainerRole;
  /** One of the two waits to be told how it goes. */
  isAwaited: boolean;
}

export async function run(file: string | undefined, flags: RunFlags): Promise<ExitCode> {
  const hasCaller = takeDaemonMark();
  const handover = takeHandover();
  const container = takeContainerRole(process.env);
  const start: Start = { hasCaller, handover, container, isAwaited: hasCaller || handover !== undefined };
  try {
    return await supervise(file, flags, start);
  } catch (error) {
    if (!start.isAwaited) throw error;
    const { reason, exitCode } = explanation(error);
    const isTold = await reportToParent({ type: 'failed', reason, exitCode });
    // The supervisor that goes on logs it.
    if (isTold && handover) return exitCode;
    throw error;
  }
}

async function supervise(file: string | undefined, flags: RunFlags, start: Start): Promise<ExitCode> {
  const { hasCaller, handover, container } = start;
  const options = loadOptions(file, flags);
  const load = () => loadConfiguration(options);
  const configuration = load();
  if (configuration.supervisor.daemonize && !start.isAwaited) {
    if (container !== 'none') throw new ContainerDaemonError();
    return goToBackground(configuration);
  }
  if (container === 'process-one') giveUpProcessOne(configuration);

  const activated = takeActivated(process.env, hasCaller);
  // Before the variables of systemd are taken off, since a successor speaks for the service.
  const origin = originOf(process);
  const supervisor = new Supervisor({
    load,
    origin,
    container,
    systemd: takeSystemd(process.env, start.isAwaited),
    handover,
    isDaemon: handover?.isDaemon ?? hasCaller,
    listeners: new Listeners(handover ? inheritedSockets(handover) : { activated }),
  });
  const watcher = flags.watch ? await reloadOnChange(supervisor, configuration) : undefined;
  if (start.isAwaited) attend(supervisor, start, configuration);
  try {
    return await supervisor.run();
  } finally {
    await watcher?.close();
  }
}

async function goToBackground({ sections, supervisor }: Configuration): Promise<ExitCode> {
  // The configuration does not load without a log file for each section.
  const [first] = sections.values();
  const bound = [...sections.values()].flatMap(({ bind = [] }) => bind);
  const addresses = [...bound, ...(supervisor.metricsBind ? [supervisor.metricsBind] : [])];
  const fds = addresses.flatMap(address => (address.type === 'fd' ? address.fd : []));
  const outcome = await startDaemon(first?.logFile as string, [
    ...fds,
    ...activatedFds(process.env, process.pid),
  ]);
  if (outcome.type === 'failed') {
    process.stderr.write(`ph: ${outcome.reason}\n`);
    return outcome.exitCode;
  }
  for (const warning of outcome.warnings) process.stderr.write(`ph: ${warning}\n`);
  process.stdout.write(`ph: running in the background, pid ${outcome.pid}\n`);
  return ExitCode.done;
}

/** Tells whoever waits that it is ready, and knows what to do where nobody waits any more. */
function attend(supervisor: Supervisor, start: Start, configuration: Configuration): void {
  const { handover } = start;
  const forgetParent = onParentGone(() => {
    start.isAwaited = false;
    if (!handover) return supervisor.quit('its caller is gone');
    supervisor.takeCharge();
    removeTraces(handover);
  });
  const limit = longestBoot(configuration);
  if (handover) supervisor.on('booting', () => void reportToParent({ type: 'booting', limit }));
  supervisor.once('ready', failures => {
    start.isAwaited = false;
    // The supervisor that was replaced may yet be killed while it drains.
    if (!handover) forgetParent();
    const warnings = [...failures].map(([section, { message }]) => `[${section}] could not boot: ${message}`);
    void reportToParent({ type: 'ready', warnings, sockets: supervisor.sockets });
  });
}

function inheritedSockets({ sockets, foreign }: Handover): ListenersOptions {
  return { inherited: new Map(Object.entries(sockets)), foreign: new Set(foreign) };
}

/** By then it is known whether a worker can boot; ms. */
function longestBoot({ sections }: Configuration): number {
  return Math.max(...[...sections.values()].map(({ bootTimeout }) => bootTimeout));
}

/** Replaces the workers when their code changes; what they import may have changed with it. */
async function reloadOnChange(supervisor: Supervisor, configuration: Configuration) {
  const { watchModules } = await import('../../supervisor/watch.ts');
  const watcher = watchModules(
    () => void supervisor.reload().catch(() => {}),
    error => process.stderr.write(`ph: --watch: ${error instanceof Error ? error.message : String(error)}\n`),
  );
  const update = ({ sections }: Configuration) =>
    watcher.update([...sections.values()].map(({ task }) => task));
  supervisor.on('reloaded', update);
  await update(configuration);
  return watcher;
}
