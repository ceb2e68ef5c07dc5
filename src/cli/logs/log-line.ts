/** One line of a log, and which of them are shown. */

export interface LogLine {
  /** Without its line feed. */
  readonly text: string;
  /** ms since 1970; undefined where the line does not say it. */
  readonly time: number | undefined;
  /** As pino numbers levels; what says none is `info`. */
  readonly level: number;
  readonly section: string | undefined;
}

export interface LineFilter {
  /** Only lines that say that they are of this section. */
  readonly section?: string | undefined;
  readonly level?: number | undefined;
  /** ms since 1970. */
  readonly since?: number | undefined;
}

/** As pino numbers them. */
export const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const;

export type LevelName = keyof typeof LEVELS;

export function parseLine(bytes: Buffer): LogLine {
  const text = bytes.toString('utf8');
  const { time, level, section } = fieldsOf(text);
  return {
    text,
    time: typeof time === 'number' ? time : undefined,
    level: typeof level === 'number' ? level : LEVELS.info,
    section: typeof section === 'string' ? section : undefined,
  };
}

/** A line that does not say its time is as old as the one before it. */
export function matches(line: LogLine, { section, level, since }: LineFilter): boolean {
  if (section !== undefined && line.section !== section) return false;
  if (level !== undefined && line.level < level) return false;
  return since === undefined || line.time === undefined || line.time >= since;
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
