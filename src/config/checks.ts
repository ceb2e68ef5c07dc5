/** What several keys together have to satisfy. Pure: the file system is asked in `paths.ts`. */

import type { Problem } from '../errors.ts';
import { camelCase, KEYS } from './keys.ts';
import { formatAddress } from './kinds/places.ts';
import { problemAt, type TypedSection } from './section.ts';
import type { SectionConfig } from './types.ts';

/** Problems of a section with itself. @param nameOf what the messages call a key */
export function checkSection(
  { resolved, config, failed }: TypedSection,
  nameOf: (key: string) => string = key => key,
): Problem[] {
  const problems: Problem[] = [];
  const { threads, minThreads, daemonize, logFile, restartDelay, restartDelayMax, queue, queueUrl } = config;
  const origin = (key: string) => resolved.values.get(key)?.origin;
  const report = (key: string, code: string, message: string) => {
    problems.push(problemAt(resolved.name, key, origin(key), code, message));
  };

  if (threads !== undefined && minThreads !== undefined && minThreads > threads && !failed.has('threads')) {
    report(
      'min_threads',
      'PH_ERR_CONFIG_MIN_THREADS',
      `${nameOf('min_threads')} (${minThreads}) exceeds ${nameOf('threads')} (${threads})`,
    );
  }
  if (daemonize === true && logFile === undefined && !failed.has('log_file')) {
    report(
      'daemonize',
      'PH_ERR_CONFIG_DAEMON_LOG',
      'ph run -d needs log_file: in the background there is no terminal to write to',
    );
  }
  if (restartDelay !== undefined && restartDelayMax !== undefined && restartDelayMax < restartDelay) {
    const key = origin('restart_delay_max') === undefined ? 'restart_delay' : 'restart_delay_max';
    report(
      key,
      'PH_ERR_CONFIG_RESTART_DELAY',
      `${nameOf('restart_delay')} (${restartDelay} ms) exceeds ${nameOf('restart_delay_max')} (${restartDelayMax} ms)`,
    );
  }
  // As a variable of the environment may be that was meant to hold one: it must not open the service to everybody.
  if (resolved.values.get('rpc_token')?.text === '') {
    report('rpc_token', 'PH_ERR_CONFIG_RPC_TOKEN', 'is empty; remove the key where calls need no token');
  }
  if (queue !== undefined && queueUrl === undefined && !failed.has('queue_url')) {
    report('queue', 'PH_ERR_CONFIG_QUEUE_URL', 'a queue needs queue_url, the server that holds it');
  }
  if (queue?.includes(':')) {
    report('queue', 'PH_ERR_CONFIG_VALUE', `the name of a queue has no colon, not ${JSON.stringify(queue)}`);
  }
  if (queue !== undefined && threads === 0 && !failed.has('threads')) {
    report(
      'queue',
      'PH_ERR_CONFIG_QUEUE_THREADS',
      `${nameOf('threads')} is 0: jobs have no thread to run on`,
    );
  }
  return problems;
}

/** Supervisor-wide keys on which the sections disagree. */
export function checkAgreement(sections: readonly TypedSection[]): Problem[] {
  const problems: Problem[] = [];
  for (const { name: key, scope } of KEYS) {
    if (scope !== 'supervisor') continue;
    const usable = sections.filter(({ failed }) => !failed.has(key));
    const first = usable[0];
    const other = usable.find(
      section => first !== undefined && encoded(section, key) !== encoded(first, key),
    );
    if (first === undefined || other === undefined) continue;
    // A section that relies on the default has no line to show.
    const [shown, against] = originOf(other, key) === undefined ? [first, other] : [other, first];
    const message =
      `is the supervisor's, so sections that run together have to agree: ` +
      `[${shown.resolved.name}] has ${textOf(shown, key)}, [${against.resolved.name}] has ${textOf(against, key)}`;
    problems.push(
      problemAt(shown.resolved.name, key, originOf(shown, key), 'PH_ERR_CONFIG_DISAGREE', message),
    );
  }
  return problems;
}

/** Addresses that are bound twice. Of port 0 each is another. */
export function checkAddresses(sections: readonly TypedSection[]): Problem[] {
  const owners = new Map<string, string>();
  const bound = sections.flatMap(({ resolved, config }) =>
    (config.bind ?? []).flatMap(address => {
      const text = formatAddress(address);
      const owner = owners.get(text);
      if (address.type === 'tcp' && address.port === 0 && owner !== resolved.name) owners.delete(text);
      else if (owner !== undefined) {
        const message =
          owner === resolved.name ? `has ${text} twice` : `${text} is bound by [${owner}] already`;
        const origin = resolved.values.get('bind')?.origin;
        return problemAt(resolved.name, 'bind', origin, 'PH_ERR_CONFIG_BIND', message);
      }
      owners.set(text, resolved.name);
      return [];
    }),
  );
  return [...bound, ...checkMetricsAddress(sections, owners)];
}

/** @param owners the sections that bind an address */
function checkMetricsAddress(
  sections: readonly TypedSection[],
  owners: ReadonlyMap<string, string>,
): Problem[] {
  return sections.flatMap(({ resolved, config: { metricsBind: address } }) => {
    if (!address || (address.type === 'tcp' && address.port === 0)) return [];
    const text = formatAddress(address);
    const owner = owners.get(text);
    if (owner === undefined) return [];
    const origin = resolved.values.get('metrics_bind')?.origin;
    const message = `${text} is bound by [${owner}] already`;
    return problemAt(resolved.name, 'metrics_bind', origin, 'PH_ERR_CONFIG_BIND', message);
  });
}

function originOf({ resolved }: TypedSection, key: string) {
  return resolved.values.get(key)?.origin;
}

function textOf({ resolved }: TypedSection, key: string): string {
  return resolved.values.get(key)?.text || 'none';
}

function encoded({ config }: TypedSection, key: string): string | undefined {
  return JSON.stringify(config[camelCase(key) as keyof SectionConfig]);
}
