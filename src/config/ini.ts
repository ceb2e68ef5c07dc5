/** Text of an ini file → sections of raw values with their lines. Nothing is interpolated or typed here. */

import { unsafe } from 'ini';
import type { Problem } from '../errors.ts';

/** One `key = value` of a file. */
export interface Entry {
  /** Lower-cased and trimmed. */
  readonly key: string;
  /** The value without comment and quotes, not yet interpolated. */
  readonly raw: string;
  /** 1-based. */
  readonly line: number;
}

export interface ParsedIni {
  /** In the order of the file; `[DEFAULT]`, if there is one, is among them. */
  readonly sections: Map<string, Map<string, Entry>>;
  readonly problems: Problem[];
}

/** The section whose keys all others inherit. */
export const DEFAULT_SECTION = 'DEFAULT';

const QUOTED = /"[^"\\]*(?:\\.[^"\\]*)*"/;
const LEADING_QUOTED = new RegExp(`^${QUOTED.source}`);
const QUOTED_OR_COMMENT = new RegExp(`${QUOTED.source}|(?<=\\s)[#;]`, 'g');
const QUOTING_HINT = 'in quotes, write a backslash as \\\\ and a quote as \\"';

/**
 * Reads an ini file as CPython's `configparser` does with `=` and inline comments, without its continuation lines.
 * Never throws: all that is wrong is in `problems`, whose messages name configparser's error class where it has one.
 */
// `ini.parse` drops bad lines silently, knows no line numbers, nests dotted sections, drops `__proto__` and types values.
export function parseIni(text: string, file: string): ParsedIni {
  const sections = new Map<string, Map<string, Entry>>();
  const firstLines = new Map<string, number>();
  const problems: Problem[] = [];
  let name: string | undefined;
  let section: Map<string, Entry> | undefined;
  let indentation = 0;
  let afterAssignment = false;
  let outsideReported = false;

  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  for (const [index, line] of lines.entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;
    const number = index + 1;
    const report = (code: string, message: string, key?: string): void => {
      const place = { file, line: number, ...(name !== undefined && { section: name }) };
      problems.push({ ...place, ...(key !== undefined && { key }), code, message });
    };

    const depth = line.length - line.trimStart().length;
    const continues = afterAssignment && depth > indentation;
    if (continues) {
      report(
        'PH_ERR_CONFIG_INDENT',
        'indented deeper than the key above it, so it could be meant as part of that value: ' +
          'put the whole value on one line, or indent both alike',
      );
    } else {
      indentation = depth;
    }

    if (content.startsWith('[')) {
      const header = parseHeader(content);
      if ('problem' in header) {
        report('PH_ERR_CONFIG_SECTION_NAME', header.problem);
        continue;
      }
      name = header.name;
      afterAssignment = false;
      indentation = depth;
      const firstLine = firstLines.get(name);
      // configparser merges a second [DEFAULT] silently, and no other section.
      if (firstLine !== undefined && name !== DEFAULT_SECTION) {
        report(
          'PH_ERR_CONFIG_DUPLICATE_SECTION',
          `DuplicateSectionError: already begun in line ${firstLine}`,
        );
      }
      if (firstLine === undefined) firstLines.set(name, number);
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      continue;
    }
    if (continues) continue;

    const assignment = parseAssignment(content);
    if ('problem' in assignment) {
      report('PH_ERR_CONFIG_SYNTAX', assignment.problem);
      continue;
    }
    const { key, value } = assignment;
    afterAssignment = true;
    if ('problem' in value) {
      report('PH_ERR_CONFIG_QUOTE', value.problem, key);
    } else if (section === undefined) {
      // One header cures them all, so one problem stands for all.
      if (!outsideReported) {
        report(
          'PH_ERR_CONFIG_KEY_OUTSIDE_SECTION',
          'MissingSectionHeaderError: key before any section; write [DEFAULT] or a section above it',
          key,
        );
      }
      outsideReported = true;
    } else {
      const first = section.get(key);
      if (first === undefined) section.set(key, { key, raw: value.text, line: number });
      else
        report('PH_ERR_CONFIG_DUPLICATE_KEY', `DuplicateOptionError: already set in line ${first.line}`, key);
    }
  }
  return { sections, problems };
}

type Problematic = { readonly problem: string };

function parseHeader(content: string): { readonly name: string } | Problematic {
  const header = withoutComment(content);
  const end = header.lastIndexOf(']');
  if (end === -1) return { problem: 'ParsingError: a section name that is not closed by ]' };
  if (end < header.length - 1) {
    return {
      problem: `ParsingError: only a comment may follow a section name, not ${header.slice(end + 1).trim()}`,
    };
  }
  const name = header.slice(1, end);
  return name === '' ? { problem: 'ParsingError: an empty section name' } : { name };
}

function parseAssignment(content: string): { readonly key: string; readonly value: ValueText } | Problematic {
  const equals = content.indexOf('=');
  if (equals === -1 || withoutComment(content).length < equals) {
    return { problem: 'ParsingError: neither a [section] nor key = value: there is no =' };
  }
  const key = content.slice(0, equals).trim().toLowerCase();
  if (key === '') return { problem: 'ParsingError: there is no key before the =' };
  return { key, value: parseValue(content.slice(equals + 1)) };
}

function withoutComment(content: string): string {
  const start = content.search(/(?<=\s)[#;]/);
  return (start === -1 ? content : content.slice(0, start)).trimEnd();
}

type ValueText = { readonly text: string } | Problematic;

/** What follows the `=` of one line: the comment goes, and the quotes of a value that is quoted as a whole. */
export function parseValue(written: string): ValueText {
  let end = written.length;
  for (const { 0: part, index } of written.matchAll(QUOTED_OR_COMMENT)) {
    if (part === '#' || part === ';') {
      end = index;
      break;
    }
  }
  const text = written.slice(0, end).trim();
  if (!text.startsWith('"')) return { text };
  const quoted = LEADING_QUOTED.exec(text)?.[0];
  if (quoted === undefined)
    return { problem: `the quote at the start of the value is not closed; ${QUOTING_HINT}` };
  if (quoted !== text) return { text };
  const decoded = unquote(quoted);
  return decoded === undefined
    ? { problem: `a bad escape in a quoted value; ${QUOTING_HINT}` }
    : { text: decoded };
}

/** The content of a whole `"…"`, with JSON's escapes; undefined when an escape is wrong. */
export function unquote(quoted: string): string | undefined {
  // JSON knows no raw control characters, yet a tab between quotes is only white space to keep.
  const escaped = quoted.replace(/\\.|\p{Cc}/gu, part =>
    part.startsWith('\\') ? part : JSON.stringify(part).slice(1, -1),
  );
  const decoded = unsafe(escaped);
  // `unsafe` hands a string that it cannot decode back as it is; a decoded one is shorter.
  return decoded === escaped ? undefined : decoded;
}
