/** What may stand at the end of a command line: read from the program itself, so that it is never out of date. */

import type { Argument, Command, Option } from 'commander';

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** Words, or what the shell knows best. */
export type Completion =
  | { readonly type: 'words'; readonly candidates: readonly Candidate[] }
  | { readonly type: 'files' | 'directories' };

/** Names of sections. @param config what the command line gives for `--config` */
export type FindSections = (config: string | undefined) => readonly string[];

/** @param words those after `ph`; the last one, which may be empty, is the one to complete */
export function complete(ph: Command, words: readonly string[], findSections: FindSections): Completion {
  const current = words.at(-1) ?? '';
  const [name, ...rest] = words.slice(0, -1).filter((word, i) => i > 0 || !word.startsWith('-'));
  const help = ph.createHelp();
  if (name === undefined || name === 'help') {
    if (rest.length > 0) return matching([], current);
    const options = current.startsWith('-') && name === undefined ? optionsOf(ph) : [];
    const commands = help
      .visibleCommands(ph)
      .map(command => candidate(command.name(), command.description()));
    return matching([...commands, ...options], current);
  }
  const command = ph.commands.find(each => each.name() === name);
  if (command === undefined) return matching([], current);

  const { pending, values, positions } = parse(command, rest);
  const sections = () => findSections(values.get('--config'));
  if (pending) return valuesOf(valueName(pending), pending.argChoices, current, '', sections);
  const [, long, part] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
  const option = command.options.find(each => each.long === long);
  if (part !== undefined && option) {
    return valuesOf(valueName(option), option.argChoices, part, `${long}=`, sections);
  }
  if (current.startsWith('-')) return matching(optionsOf(command), current);
  const argument = argumentAt(command, positions);
  if (argument === undefined) return matching([], current);
  return valuesOf(argument.name(), argument.argChoices, current, '', sections);
}

interface Parsed {
  /** The option whose value is to be completed. */
  readonly pending: Option | undefined;
  /** By long flag. */
  readonly values: ReadonlyMap<string, string>;
  /** Arguments that are no options. */
  readonly positions: number;
}

function parse(command: Command, words: readonly string[]): Parsed {
  const values = new Map<string, string>();
  let pending: Option | undefined;
  let positions = 0;
  for (const word of words) {
    const [, flag = '', value] = /^(--[^=]+|-.)(?:=(.*))?$/s.exec(word) ?? [];
    const option = command.options.find(({ short, long }) => flag === short || flag === long);
    if (pending) {
      values.set(pending.long ?? '', word);
      pending = undefined;
    } else if (option?.required) {
      if (value === undefined) pending = option;
      else values.set(option.long ?? '', value);
    } else if (!word.startsWith('-')) {
      positions++;
    }
  }
  return { pending, values, positions };
}

function argumentAt({ registeredArguments }: Command, position: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[position] ?? (last?.variadic ? last : undefined);
}

/** `--config <file>`: file */
function valueName({ flags, long }: Option): string {
  if (long === '--section') return 'section';
  return /[<[]([^>\]]+)/.exec(flags)?.[1] ?? '';
}

/** What a value can be follows from its name in the help. */
function valuesOf(
  name: string,
  choices: readonly string[] | undefined,
  current: string,
  prefix: string,
  findSections: () => readonly string[],
): Completion {
  if (choices) return matching(toCandidates(choices), current, prefix);
  if (/^file\b/i.test(name)) return { type: 'files' };
  if (/^dir\b/i.test(name)) return { type: 'directories' };
  if (/^section=/i.test(name)) {
    const words = current.includes('=') ? [] : findSections().map(section => `${section}=`);
    return matching(toCandidates(words), current, prefix);
  }
  // A worker is SECTION#INDEX.
  const isSection = /^(section|worker)\b/i.test(name);
  return matching(isSection ? toCandidates(findSections()) : [], current, prefix);
}

function optionsOf(command: Command): Candidate[] {
  const help = command.createHelp();
  return help
    .visibleOptions(command)
    .map(option => candidate(option.long ?? option.short ?? '', help.optionDescription(option)));
}

function toCandidates(values: readonly string[]): Candidate[] {
  return values.map(value => candidate(value, ''));
}

function candidate(value: string, description: string): Candidate {
  return { value, description };
}

function matching(candidates: readonly Candidate[], current: string, prefix = ''): Completion {
  return {
    type: 'words',
    candidates: candidates
      .filter(({ value }) => value.startsWith(current))
      .map(({ value, description }) => ({ value: `${prefix}${value}`, description })),
  };
}
