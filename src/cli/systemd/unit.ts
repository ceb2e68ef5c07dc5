/** A configuration → the text of a systemd unit. Pure. */

import { dirname } from 'node:path';
import type { Configuration, SectionConfig, SupervisorConfig } from '../../config/types.ts';

export interface UnitOptions {
  readonly configuration: Configuration;
  /** What starts the supervisor; the first is an absolute path. */
  readonly command: readonly string[];
  /** What reloads it, and fails where the reload does. */
  readonly reload: readonly string[];
  /** Who the supervisor runs as. */
  readonly user: string;
}

/** What the supervisor takes beside the longest `graceful_timeout` or `boot_timeout`, s. */
const MARGIN = 5;

export function unitText({ configuration, command, reload, user }: UnitOptions): string {
  const { directory, sections } = configuration;
  const configs = [...sections.values()];
  const longest = (key: 'gracefulTimeout' | 'bootTimeout') =>
    Math.ceil(Math.max(...configs.map(config => config[key])) / 1000) + MARGIN;
  return `${[
    '[Unit]',
    `Description=ph: ${escapeSpecifiers([...sections.keys()].join(', '))}`,
    'Wants=network-online.target',
    'After=network-online.target',
    '# It is tried again for ever: what it lacks, such as an address that is in use, may come.',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    '# READY=1 comes when the workers are ready; systemd-notify, which sends it, is a child.',
    'Type=notify',
    'NotifyAccess=all',
    '# The supervisor says WATCHDOG=1 more often than that; one that hangs is ended and started anew.',
    'WatchdogSec=30',
    `ExecStart=${command.map(quote).join(' ')}`,
    `ExecReload=${reload.map(quote).join(' ')}`,
    '# TERM goes to the supervisor alone, which lets its workers finish; KILL to all that is left.',
    'KillMode=mixed',
    `TimeoutStartSec=${longest('bootTimeout')}`,
    `TimeoutStopSec=${longest('gracefulTimeout') + hookSeconds(configuration)}`,
    'Restart=on-failure',
    'RestartSec=1',
    '# A wrong configuration, and a pidfile that another supervisor holds, get no better by trying again.',
    'RestartPreventExitStatus=2 4',
    '# A worker that runs out of memory is replaced; the others go on.',
    'OOMPolicy=continue',
    ...accountLines(configs, user),
    `WorkingDirectory=${escapeSpecifiers(directory)}`,
    ...runtimeDirectories(configuration.supervisor),
    'LimitNOFILE=65536',
    '',
    '# Hardening: take out what your tasks need.',
    ...hardening(configuration, command, user === 'root' || switchesAccount(configs)),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ].join('\n')}\n`;
}

/** How long a supervisor that stops may wait for its hooks, s. */
function hookSeconds({ sections, supervisor: { onReady, onReload, hookTimeout } }: Configuration): number {
  const own = [...sections.values()].flatMap(({ onExit, onFailed }) => [onExit, onFailed]);
  const hasHooks = [onReady, onReload, ...own].some(command => command !== undefined);
  return hasHooks ? Math.ceil(hookTimeout / 1000) : 0;
}

/** Only root can give its workers another account. */
function switchesAccount(configs: readonly SectionConfig[]): boolean {
  return configs.some(({ user, group }) => user !== undefined || group !== undefined);
}

function accountLines(configs: readonly SectionConfig[], user: string): string[] {
  if (!switchesAccount(configs)) return [`User=${user}`];
  return ['# The workers run as the user of their section, which root alone can do.', 'User=root'];
}

/** Of pidfiles and control socket: /run is empty after each boot, and belongs to root. What others have there stays. */
function runtimeDirectories({ pidfiles, controlSocket }: SupervisorConfig): string[] {
  const names = [...pidfiles, controlSocket].flatMap(
    path => /^\/run\/(?!user\/)(.+)\/[^/]+$/.exec(path)?.[1] ?? [],
  );
  if (names.length === 0) return [];
  return [`RuntimeDirectory=${[...new Set(names)].map(quote).join(' ')}`, 'RuntimeDirectoryPreserve=yes'];
}

function hardening(configuration: Configuration, command: readonly string[], isRoot: boolean): string[] {
  const configs = [...configuration.sections.values()];
  const written = writtenDirectories(configuration);
  const used = [
    configuration.directory,
    ...command.filter(word => word.startsWith('/')),
    ...configs.flatMap(({ task, basePath, envFile }) => [task, basePath, ...(envFile ? [envFile] : [])]),
    ...written,
  ];
  const readOnly = written.filter(path => isIn(path, ['/usr', '/boot', '/efi', '/etc']));
  return [
    'NoNewPrivileges=true',
    'ProtectSystem=full',
    ...(readOnly.length > 0 ? [`ReadWritePaths=${[...new Set(readOnly)].map(quote).join(' ')}`] : []),
    // Who has files there has to see them.
    `ProtectHome=${!used.some(path => isIn(path, ['/home', '/root', '/run/user']))}`,
    `PrivateTmp=${!used.some(path => isIn(path, ['/tmp', '/var/tmp']))}`,
    'PrivateDevices=true',
    'ProtectClock=true',
    'ProtectHostname=true',
    'ProtectControlGroups=true',
    'ProtectKernelLogs=true',
    'ProtectKernelModules=true',
    'ProtectKernelTunables=true',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    'RestrictNamespaces=true',
    'RestrictRealtime=true',
    'RestrictSUIDSGID=true',
    'LockPersonality=true',
    'SystemCallArchitectures=native',
    // Root has to keep what it needs to change accounts, and to write what belongs to others.
    ...(isRoot ? [] : capabilities(configs)),
  ];
}

/** In which the supervisor makes files. */
function writtenDirectories({ sections, supervisor }: Configuration): string[] {
  const paths = [...sections.values()].flatMap(({ logFile, pidfile, bind = [] }) => [
    logFile,
    pidfile,
    ...bind.map(address => (address.type === 'unix' ? address.path : undefined)),
  ]);
  return [...paths, supervisor.controlSocket].filter(path => path !== undefined).map(path => dirname(path));
}

function capabilities(configs: readonly SectionConfig[]): string[] {
  const isPrivileged = configs.some(({ bind = [] }) =>
    bind.some(address => address.type === 'tcp' && address.port > 0 && address.port < 1024),
  );
  const isFavoured = configs.some(({ nice = 0 }) => nice < 0);
  const needed = [isPrivileged && 'CAP_NET_BIND_SERVICE', isFavoured && 'CAP_SYS_NICE'].filter(Boolean);
  const list = needed.join(' ');
  return [`CapabilityBoundingSet=${list}`, ...(list === '' ? [] : [`AmbientCapabilities=${list}`])];
}

function isIn(path: string, directories: readonly string[]): boolean {
  return directories.some(directory => path === directory || path.startsWith(`${directory}/`));
}

/** One word of a command line, as systemd reads it. */
function quote(word: string): string {
  const escaped = escapeSpecifiers(word).replaceAll('$', '$$$$');
  if (/^[\w@%+=:,./$-]+$/.test(escaped)) return escaped;
  return `"${escaped.replace(/["\\]/g, '\\$&')}"`;
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%');
}
