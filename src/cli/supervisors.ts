/** Which running supervisors a command means. */

import { readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { defaultControlSocket } from '../config/control-socket.ts';
import { readConfiguration } from '../config/load.ts';
import { type ControlClient, connect } from '../control/client.ts';
import type { Status } from '../control/protocol.ts';
import { ConfigError, ExitCode, NotRunningError, UsageError } from '../errors.ts';
import { loadOptions } from './configuration.ts';
import { explain } from './explain.ts';

export interface SupervisorFlags {
  readonly config?: string;
  /** Path of a control socket; the configuration is not asked then. */
  readonly socket?: string;
  readonly instance?: number;
  readonly all?: boolean;
}

export interface RunningSupervisor {
  readonly client: ControlClient;
  /** As it was when it was found. */
  readonly status: Status;
}

/** How long a supervisor may take to say that it is there, ms. */
const answerLimit = 10_000;

/** All that run, or those that `--instance` names; by number. Throws a `NotRunningError` where there is none. */
export async function findSupervisors(flags: SupervisorFlags): Promise<RunningSupervisor[]> {
  const bases = flags.socket === undefined ? controlSockets(flags.config) : [resolve(flags.socket)];
  const paths = flags.socket === undefined ? bases.flatMap(withNumbers) : bases;
  const found = (await Promise.all(paths.map(ask))).filter(each => each !== undefined);
  found.sort((a, b) => a.status.supervisor.instance - b.status.supervisor.instance);
  if (found.length === 0)
    throw new NotRunningError(`no supervisor is running (looked for ${bases.join(', ')})`);
  if (flags.instance === undefined) return found;
  const meant = found.filter(({ status }) => status.supervisor.instance === flags.instance);
  if (meant.length > 0) return meant;
  throw new NotRunningError(`instance ${flags.instance} is not running; there are: ${numbersOf(found)}`);
}

/** The one that is meant, or with `--all` each of them. Throws a `UsageError` where it is not clear which. */
export async function chooseSupervisors(flags: SupervisorFlags): Promise<RunningSupervisor[]> {
  const found = await findSupervisors(flags);
  if (found.length === 1 || flags.all) return found;
  throw new UsageError(`supervisors ${numbersOf(found)} are running: choose with --instance K, or --all`);
}

/**
 * All at once. What they `say` goes to stdout, and where there are several each line tells whose it is. Waits for all; throws
 * what a single one throws. Of several, each that fails says why on stderr, and the first decides the exit code.
 */
export async function forEach(
  supervisors: readonly RunningSupervisor[],
  action: (supervisor: RunningSupervisor, say: (line: string) => void) => Promise<void>,
): Promise<ExitCode> {
  const name = ({ status }: RunningSupervisor) =>
    supervisors.length > 1 ? `instance ${status.supervisor.instance}: ` : '';
  const actions = supervisors.map(each =>
    action(each, line => void process.stdout.write(`${name(each)}${line}\n`)),
  );
  const outcomes = await Promise.allSettled(actions);
  if (supervisors.length === 1) await actions[0];
  let code: ExitCode = ExitCode.done;
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') continue;
    const exitCode = explain(outcome.reason, name(supervisors[at] as RunningSupervisor));
    if (code === ExitCode.done) code = exitCode;
  }
  return code;
}

function numbersOf(found: readonly RunningSupervisor[]): string {
  return found.map(({ status }) => status.supervisor.instance).join(', ');
}

/** Where a supervisor of the configuration has its control socket. What else is wrong with the file does not matter. */
function controlSockets(config: string | undefined): string[] {
  const options = loadOptions(undefined, config === undefined ? {} : { config });
  const { typed, problems } = readConfiguration(options);
  if (problems.some(({ code }) => code === 'PH_ERR_CONFIG_FILE')) throw new ConfigError(problems);
  // `ph run FILE` may run a section that is not in the file: it has what [DEFAULT] says.
  const unnamed = readConfiguration({ ...options, task: 'task' }).typed;
  const paths = [...typed, ...unnamed].map(
    ({ config: { controlSocket, pidfile } }) => controlSocket ?? defaultControlSocket(pidfile, options),
  );
  return [...new Set(paths)];
}

/** The socket itself, and those of further supervisors of the same configuration. */
function withNumbers(path: string): string[] {
  const [directory, name] = [dirname(path), basename(path)];
  try {
    const isOurs = (file: string) => file === name || /^\.\d+$/.test(file.replace(name, ''));
    return readdirSync(directory)
      .filter(file => file.startsWith(name) && isOurs(file))
      .map(file => join(directory, file));
  } catch {
    return [path];
  }
}

async function ask(path: string): Promise<RunningSupervisor | undefined> {
  const client = connect(path);
  try {
    return { client, status: await client.status({ timeout: answerLimit }) };
  } catch (error) {
    // A socket that a supervisor left behind when it was killed.
    if (error instanceof NotRunningError) return undefined;
    throw error;
  }
}
