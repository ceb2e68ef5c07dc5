/** The first parameter of a function, from its source: the names that a call of it has to give. */

export interface Parameter {
  /** It takes an object apart, so that its members are given by name. */
  readonly isObject: boolean;
  readonly members: readonly { readonly name: string; readonly required: boolean }[];
}

/** Undefined where there is none, or none that can be read with certainty. */
export function readParameter(source: string): Parameter | undefined {
  const bare = /^(?:async\s+)?([\w$]+)\s*=>/.exec(source)?.[1];
  if (bare !== undefined) return { isObject: false, members: [{ name: bare, required: true }] };
  const start = source.indexOf('(');
  const text = start < 0 ? undefined : split(source.slice(start + 1))?.[0]?.trim();
  if (!text) return undefined;
  if (!text.startsWith('{')) {
    const member = readMember(text);
    return member && { isObject: false, members: [member] };
  }
  const isOptional = /\}\s*=[^>]/.test(text);
  const members = (split(text.slice(1)) ?? []).map(part => part.trim()).filter(Boolean);
  const read = members.filter(member => !member.startsWith('...')).map(readMember);
  if (read.includes(undefined)) return undefined;
  return {
    isObject: true,
    members: (read as NonNullable<(typeof read)[0]>[]).map(({ name, required }) => ({
      name,
      required: required && !isOptional,
    })),
  };
}

/** `name`, `name = 1`, and in an object `name: other = 1`. */
function readMember(text: string): { name: string; required: boolean } | undefined {
  const [, name, rest = ''] =
    /^([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(?:[:=]([\s\S]*))?$/u.exec(text) ?? [];
  if (name === undefined) return undefined;
  const isRenamed = text.slice(name.length).trimStart().startsWith(':');
  return { name, required: isRenamed ? !rest.includes('=') : rest === '' };
}

const opening = '([{';
const closing = ')]}';

/** What stands between commas, up to the bracket that closes what was open before. Undefined: it has texts or comments. */
function split(source: string): string[] | undefined {
  const parts = [''];
  let depth = 0;
  for (const sign of source) {
    if (`'"\`/`.includes(sign)) return undefined;
    if (closing.includes(sign) && --depth < 0) return parts;
    if (opening.includes(sign)) depth++;
    if (sign === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += sign;
  }
  return undefined;
}
