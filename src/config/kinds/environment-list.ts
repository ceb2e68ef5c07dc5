/** `A=1,B="x,y"`. */

import { unquote } from '../ini.ts';
import { type Kind, ValueError } from './kind.ts';

const ITEM = /\s*(?<name>[^=,"]*?)\s*=\s*(?<value>"[^"\\]*(?:\\.[^"\\]*)*"|(?!")[^,]*?)\s*(?:,|$)/y;

/** Environment variables, without prototype. The messages never show a value: it may be a secret. */
export const environmentList: Kind<Readonly<Record<string, string>>> = {
  label: '`A=1,B="x,y"`',
  parse(text) {
    const variables: Record<string, string> = Object.create(null);
    let position = 0;
    while (text.slice(position).trim() !== '') {
      ITEM.lastIndex = position;
      const groups = ITEM.exec(text)?.groups;
      if (groups === undefined)
        throw new ValueError(`expected NAME=value,NAME="a, b"; it breaks at column ${position + 1}`);
      position = ITEM.lastIndex;
      const { name = '', value = '' } = groups;
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        throw new ValueError(`expected a name of letters, digits and _, not ${JSON.stringify(name)}`);
      }
      if (name in variables) throw new ValueError(`${name} is set twice`);
      const content = value.startsWith('"') ? unquote(value) : value;
      if (content === undefined)
        throw new ValueError(`${name} has a bad escape; in quotes, write a backslash as \\\\`);
      if (content.includes('\0'))
        throw new ValueError(`${name} holds a NUL character, which no environment can`);
      variables[name] = content;
    }
    return Object.freeze(variables);
  },
};
