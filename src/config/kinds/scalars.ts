/** Numbers, durations, sizes, booleans, words. */

import { constants } from 'node:os';
import { type Kind, unexpected, ValueError } from './kind.ts';

/** `setTimeout` fires at once for more than this many milliseconds, about 24.8 days. */
export const MAX_DURATION = 2 ** 31 - 1;

export function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  const range =
    maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
  const label = `integer ${range}`;
  return {
    label,
    parse(text) {
      const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= minimum && value <= maximum)) throw unexpected(`an ${label}`, text);
      return value;
    },
  };
}

export function integerOrAuto(minimum: number, maximum: number): Kind<number | 'auto'> {
  const number = integer(minimum, maximum);
  return {
    label: `${number.label}, or \`auto\``,
    parse(text, directory) {
      if (text.toLowerCase() === 'auto') return 'auto';
      try {
        return number.parse(text, directory);
      } catch {
        throw unexpected(`an ${number.label}, or auto`, text);
      }
    },
  };
}

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds. @param minimum in milliseconds */
export function duration(minimum = 0): Kind<number> {
  return {
    label: minimum === 0 ? 'duration' : 'duration above 0',
    parse(text) {
      const [, number, unit = 's'] = /^(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h)?$/.exec(text) ?? [];
      if (number === undefined)
        throw unexpected('a duration such as 3, 1.5 (seconds), 250ms, 2m or 1h', text);
      const exact = Number(number) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
      if (exact > MAX_DURATION) throw unexpected('a duration of at most 24 days', text);
      // 0 means "none" to many keys, so that the least of durations must not become it.
      const value = exact > 0 ? Math.max(1, Math.round(exact)) : 0;
      if (value < minimum) throw unexpected('a duration above 0', text);
      return value;
    },
  };
}

const BYTES = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** Bytes. @param minimum of a value that is not 0, since 512 is easily written where 512M is meant */
export function size(minimum = 0): Kind<number> {
  const expected = 'a size such as 512K, 256M or 2G';
  return {
    label: minimum === 0 ? 'size' : `size of 0 or at least ${shortest(minimum)}`,
    parse(text) {
      const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)B?$/i.exec(text) ?? [];
      if (number === undefined || unit === undefined) throw unexpected(expected, text);
      const value = Math.floor(Number(number) * BYTES[unit.toUpperCase() as keyof typeof BYTES]);
      if (!Number.isSafeInteger(value)) throw unexpected(expected, text);
      if (value > 0 && value < minimum) {
        throw unexpected(`${expected}, of at least ${minimum} bytes (a number alone is bytes)`, text);
      }
      return value;
    },
  };
}

/** `16M` */
function shortest(bytes: number): string {
  const unit = (['T', 'G', 'M', 'K'] as const).find(candidate => bytes % BYTES[candidate] === 0) ?? '';
  return `${bytes / BYTES[unit]}${unit}`;
}

const TRUE = ['true', 'yes', 'on', '1'];
const FALSE = ['false', 'no', 'off', '0'];

export const boolean: Kind<boolean> = {
  label: 'boolean',
  parse(text) {
    const word = text.toLowerCase();
    if (TRUE.includes(word)) return true;
    if (FALSE.includes(word)) return false;
    throw unexpected(`one of ${[...TRUE, ...FALSE].join(', ')}`, text);
  },
};

/** One of some lower-case words, in any case. */
export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  return {
    label: words.map(word => `\`${word}\``).join(', '),
    parse(text) {
      const word = words.find(candidate => candidate === text.toLowerCase());
      if (word === undefined) throw unexpected(`one of ${words.join(', ')}`, text);
      return word;
    },
  };
}

export const text: Kind<string> = {
  label: 'text',
  parse(written) {
    if (written === '') throw unexpected('a text', written);
    return written;
  },
};

const UNCATCHABLE = ['SIGKILL', 'SIGSTOP'];

export const signal: Kind<NodeJS.Signals> = {
  label: 'signal',
  parse(written) {
    const upper = written.toUpperCase();
    const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
    if (UNCATCHABLE.includes(name)) {
      throw new ValueError(
        `${name} cannot be caught, so nothing could end gracefully; expected TERM, INT, QUIT, …`,
      );
    }
    if (!Object.hasOwn(constants.signals, name))
      throw unexpected('a signal such as TERM, INT, QUIT or USR1', written);
    return name as NodeJS.Signals;
  },
};

export const umask: Kind<number> = {
  label: 'octal mask',
  parse(written) {
    if (!/^(?:0o?)?[0-7]{1,3}$/i.test(written))
      throw unexpected('an octal mask from 000 to 777, such as 022', written);
    return Number.parseInt(written.replace(/^0o/i, ''), 8);
  },
};
