/** `ph logs` */

import { statSync } from 'node:fs';
import { isatty } from 'node:tty';
import { readConfiguration } from '../../config/load.ts';
import type { TypedSection } from '../../config/section.ts';
import { ConfigError, ExitCode, NoLogFileError, UsageError } from '../../errors.ts';
import { prettyFormat } from '../../log/pretty.ts';
import { loadOptions } from '../configuration.ts';
import { LogChain } from '../logs/log-chain.ts';
import { LEVELS, type LevelName } from '../logs/log-line.ts';
import { LogReader } from '../logs/log-reader.ts';
import { show } from '../logs/show.ts';
import { endOf, lastLines, positionAt } from '../logs/start.ts';

export interface LogsFlags {
  readonly config?: string;
  readonly follow?: boolean;
  /** Default: all with `since`, else 100. */
  readonly lines?: number;
  readonly level?: LevelName;
  /** ms since 1970. */
  readonly since?: number;
  readonly json?: boolean;
}

/** A log file, with the sections that write it, the first of which decides on its format. */
interface Log {
  readonly path: string;
  readonly sections: readonly string[];
  readonly isPretty: boolean;
}

const DEFAULT_LINES = 100;

export async function logs(section: string | undefined, flags: LogsFlags): Promise<ExitCode> {
  const { level, since, follow = false, json = false } = flags;
  const found = findLogs(section, flags.config);
  for (const log of found) refuseFilters(log, flags);
  requireFiles(found, follow);

  const filter = { level: level && LEVELS[level], since };
  const chains = found.map(({ path, sections }) => ({
    chain: new LogChain(path),
    filter: { ...filter, section: sections.length > 1 ? section : undefined },
  }));
  // First, so that nothing is missed that is written while the last lines are looked for.
  const ends = chains.map(({ chain }) => (follow ? endOf(chain) : undefined));
  const count = flags.lines ?? (since === undefined ? DEFAULT_LINES : undefined);
  const starts =
    count === undefined ? chains.map(({ chain }) => positionAt(chain, since ?? 0)) : lastLines(chains, count);
  const readers = chains.flatMap(({ chain, filter }, i) => {
    const start = starts[i] ?? ends[i];
    return start || follow ? new LogReader(chain, filter, start) : [];
  });

  // `ph logs | head` has what it wanted.
  process.stdout.on('error', () => process.exit(ExitCode.done));
  const pretty = json ? (line: string) => line : prettyFormat(isatty(1) && !process.env.NO_COLOR);
  await show(readers, line => pretty(`${line}\n`), follow);
  return ExitCode.done;
}

/** Those of one section, or of all. */
function findLogs(section: string | undefined, config: string | undefined): Log[] {
  const options = loadOptions(undefined, config === undefined ? {} : { config });
  const { typed, problems } = readConfiguration(options);
  // Logs are of most use where something is wrong: what else is wrong does not matter here.
  const readable = typed.filter(({ failed }) => !failed.has('log_file'));
  const names = readable.map(nameOf);
  if (names.length === 0) throw new ConfigError(problems);
  if (section !== undefined && !names.includes(section)) {
    throw new UsageError(`there is no section ${section} with a log; there are: ${names.join(', ')}`);
  }
  const chosen = readable.filter(each => section === undefined || nameOf(each) === section);
  const onStderr = chosen.filter(({ config }) => config.logFile === undefined).map(nameOf);
  const paths = new Set(chosen.flatMap(({ config }) => config.logFile ?? []));
  if (onStderr.length > 0) noteStderr(onStderr, paths.size === 0);
  return [...paths].map(path => {
    const writers = readable.filter(({ config }) => config.logFile === path);
    return { path, sections: writers.map(nameOf), isPretty: writers[0]?.config.logFormat === 'pretty' };
  });
}

function nameOf({ resolved }: TypedSection): string {
  return resolved.name;
}

/** What goes to stderr is in no file of ours. */
function noteStderr(sections: readonly string[], isAll: boolean): void {
  const verb = sections.length === 1 ? 'logs' : 'log';
  const text = `${sections.map(name => `[${name}]`).join(', ')} ${verb} to stderr, which is kept where ph run was started`;
  if (isAll) throw new NoLogFileError(`${text}: set log_file to keep a log that ph logs can show`);
  process.stderr.write(`ph logs: ${text}\n`);
}

/** What is written for people does not say its level and its day. */
function refuseFilters({ path, isPretty }: Log, { level, since, json }: LogsFlags): void {
  const flags = [level !== undefined && '--level', since !== undefined && '--since', json && '--json'].filter(
    Boolean,
  );
  if (!isPretty || flags.length === 0) return;
  throw new UsageError(
    `${path} is written with log_format = pretty, of which ${flags.join(', ')} can make nothing`,
  );
}

/** Throws where there is nothing that can be shown. */
function requireFiles(found: readonly Log[], follow: boolean): void {
  for (const { path } of found) {
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile();
    if (isFile === false) throw new NoLogFileError(`${path} is no regular file: it keeps no lines`);
  }
  const missing = found.filter(({ path }) => !new LogChain(path).exists).map(({ path }) => path);
  if (missing.length === 0) return;
  const text = `there is no log yet: ${missing.join(', ')}`;
  if (missing.length === found.length && !follow) throw new NoLogFileError(text, ExitCode.failed);
  process.stderr.write(`ph logs: ${text}\n`);
}
