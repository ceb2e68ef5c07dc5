import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { environmentList } from '../../src/config/kinds/environment-list.ts';
import { type Kind, ValueError } from '../../src/config/kinds/kind.ts';
import { address, addresses, formatAddress, path, pathOrStderr, url } from '../../src/config/kinds/places.ts';
import {
  boolean,
  duration,
  integer,
  integerOrAuto,
  oneOf,
  signal,
  size,
  text,
  umask,
} from '../../src/config/kinds/scalars.ts';
import { cron, timezone } from '../../src/config/kinds/schedule.ts';

function accepts<T>(kind: Kind<T>, expected: Readonly<Record<string, T>>): void {
  for (const [written, value] of Object.entries(expected))
    assert.deepEqual(kind.parse(written, '/dir'), value, written);
}

function rejects(kind: Kind<unknown>, message: RegExp, ...texts: readonly string[]): void {
  for (const written of texts) {
    assert.throws(
      () => kind.parse(written, '/dir'),
      error => error instanceof ValueError && message.test(error.message),
      `${JSON.stringify(written)} should be rejected`,
    );
  }
}

describe('an integer', () => {
  it('is decimal and within its range', () => {
    accepts(integer(-20, 19), { '-20': -20, '19': 19, '007': 7 });
    rejects(
      integer(-20, 19),
      /an integer from -20 to 19/,
      '-21',
      '20',
      '1.5',
      '0x1',
      '1e1',
      '',
      ' ',
      'a',
      '1 2',
      '∞',
    );
    rejects(integer(0), /an integer of at least 0/, '-1', '9'.repeat(20));
  });

  it('may be auto where the key says so', () => {
    accepts(integerOrAuto(1, 8), { auto: 'auto', AUTO: 'auto', '8': 8 });
    rejects(integerOrAuto(1, 8), /an integer from 1 to 8, or auto/, '0', '9', 'automatic');
  });
});

describe('a duration', () => {
  it('is milliseconds, written in seconds or with a unit', () => {
    accepts(duration(), {
      '3': 3000,
      '1.5': 1500,
      '.5': 500,
      '250ms': 250,
      '2m': 120_000,
      '1h': 3_600_000,
      '10 s': 10_000,
    });
    accepts(duration(), { '0': 0, '0.1': 100, '1.1': 1100, '2147483647ms': 2_147_483_647 });
  });

  it('never becomes 0, which means none, unless it is 0', () => {
    accepts(duration(), { '0.0001': 1, '0.2ms': 1 });
  });

  it('is not negative, not infinite and no longer than a timer can be', () => {
    rejects(
      duration(),
      /expected a duration/,
      '-1',
      '1d',
      'Infinity',
      'NaN',
      '',
      '1e3',
      '5 5',
      'ms',
      '2147483648ms',
      '25h5',
    );
    rejects(duration(), /at most 24 days/, '600h', '9'.repeat(400));
    rejects(duration(1), /above 0/, '0', '0ms');
  });
});

describe('a size', () => {
  it('is bytes with binary multiples', () => {
    accepts(size(), {
      '0': 0,
      '10': 10,
      '512K': 524_288,
      '512kb': 524_288,
      '1.5m': 1_572_864,
      '2G': 2 * 1024 ** 3,
      '1T': 1024 ** 4,
    });
    rejects(size(), /a size such as/, '', '-1', '1X', 'K', '1e9', '99999999T', '1 000');
  });

  it('is not accepted where its unit has obviously been forgotten', () => {
    accepts(size(1024), { '0': 0, '1K': 1024 });
    rejects(size(1024), /a number alone is bytes/, '512');
    assert.deepEqual(
      [size(), size(1024), size(16 * 1024 ** 2), size(1000)].map(({ label }) => label),
      ['size', 'size of 0 or at least 1K', 'size of 0 or at least 16M', 'size of 0 or at least 1000'],
    );
  });
});

describe('words', () => {
  it('are booleans in any case', () => {
    accepts(boolean, {
      true: true,
      Yes: true,
      ON: true,
      '1': true,
      false: false,
      No: false,
      off: false,
      '0': false,
    });
    rejects(boolean, /one of true, yes/, '', '2', 'y', 'null');
  });

  it('are one of those that a key knows', () => {
    accepts(oneOf('always', 'on-failure'), { always: 'always', 'On-Failure': 'on-failure' });
    rejects(oneOf('always', 'on-failure'), /one of always, on-failure, not "never"/, 'never');
    accepts(text, { x: 'x' });
    rejects(text, /not an empty value/, '');
  });

  it('are signals that can be caught', () => {
    accepts(signal, { TERM: 'SIGTERM', SIGINT: 'SIGINT', usr1: 'SIGUSR1' });
    rejects(signal, /cannot be caught/, 'KILL', 'SIGSTOP');
    rejects(signal, /a signal such as/, '', '15', 'NOPE', 'constructor', 'toString');
  });

  it('are octal masks and cron expressions', () => {
    accepts(umask, { '022': 0o22, '0o077': 0o77, '7': 7, '0777': 0o777, '000': 0 });
    rejects(umask, /octal/, '', '8', '1777', '-1', 'rwx');
    accepts(cron, { '*/5 * * * *': '*/5 * * * *', '0 0  * * * 1': '0 0  * * * 1' });
    rejects(cron, /5 or 6 fields/, '', '* * * *', '* * * * * * *');
    rejects(cron, /expected a cron expression, not/, '61 * * * *', 'a b c d e', '*/0 * * * *');
    rejects(cron, /never comes/, '0 0 31 2 *');
    accepts(timezone, { UTC: 'UTC', 'Europe/Zurich': 'Europe/Zurich' });
    rejects(timezone, /expected a time zone/, '', 'Mars', 'Europe/Zurick');
  });
});

describe('a place', () => {
  it('that is a path counts from the directory', () => {
    accepts(path, { 'a/b': '/dir/a/b', '../x': '/x', '/abs': '/abs', '.': '/dir' });
    rejects(path, /a path/, '', 'a\0b');
    accepts(pathOrStderr, { stderr: undefined, 'x.log': '/dir/x.log' });
  });

  it('that is an address is TCP, Unix or inherited', () => {
    accepts(address, {
      'localhost:80': { type: 'tcp', host: 'localhost', port: 80 },
      '0.0.0.0:0': { type: 'tcp', host: '0.0.0.0', port: 0 },
      '[::1]:65535': { type: 'tcp', host: '::1', port: 65_535 },
      'unix:run/x.sock': { type: 'unix', path: '/dir/run/x.sock' },
      'fd://3': { type: 'fd', fd: 3 },
    });
    rejects(
      address,
      /host:port/,
      '',
      '80',
      ':80',
      'host',
      'host:',
      '::1:80',
      '[::1]',
      '[nope]:80',
      'fd://x',
      'a b:1',
      'h:-1',
    );
    rejects(address, /0 to 65535/, 'h:65536');
    rejects(address, /a path/, 'unix:');
  });

  it('may be several addresses', () => {
    assert.equal(addresses.parse('a:1 , unix:/x', '/').length, 2);
    rejects(addresses, /with commas/, '', 'a:1,', ',a:1');
    assert.equal(addresses.absolute?.('a:1, unix:x,unix:/y', '/d'), 'a:1, unix:/d/x, unix:/y');
    assert.equal(addresses.absolute?.('unix:', '/d'), 'unix:');
  });

  it('that is an address reads back as it was', () => {
    for (const text of ['a:0', '127.0.0.1:80', '[::1]:80', 'unix:/run/x.sock', 'fd://3']) {
      assert.equal(formatAddress(address.parse(text, '/')), text);
    }
  });

  it('that is a URL has a known protocol, and is never shown since it may hold a password', () => {
    const kind = url('redis', 'postgres');
    accepts(kind, {
      'redis://:p%23@h:6379/0': 'redis://:p%23@h:6379/0',
      'postgres://h/db': 'postgres://h/db',
    });
    rejects(
      kind,
      /^(?!.*secret).*redis:\/\/, postgres:\/\//,
      'http://secret',
      '',
      'redis:secret',
      'redis://:se#secret@h:1/0',
    );
    rejects(kind, /^(?!.*secret).*number of a database/, 'redis://:secret@h/db', 'redis://:secret@h/0/1');
  });
});

describe('an environment list', () => {
  const entries = (written: string) => Object.entries(environmentList.parse(written, '/'));

  it('has names and values, in quotes where a comma is in them', () => {
    assert.deepEqual(entries(String.raw`A=1, B="x,y" ,C = a=b ,D="say \"hi\" \\",E=,F=5"`), [
      ['A', '1'],
      ['B', 'x,y'],
      ['C', 'a=b'],
      ['D', 'say "hi" \\'],
      ['E', ''],
      ['F', '5"'],
    ]);
    assert.deepEqual(entries(''), []);
    assert.deepEqual(entries('A=1,'), [['A', '1']]);
  });

  it('takes __proto__ as a name like any other, and cannot be changed', () => {
    assert.deepEqual(entries('__proto__=1'), [['__proto__', '1']]);
    assert.ok(Object.isFrozen(environmentList.parse('A=1', '/')));
  });

  it('shows where it breaks, and no values', () => {
    const quiet = (pattern: string) => new RegExp(`^(?!.*secret).*${pattern}`);
    rejects(environmentList, quiet('NAME=value'), 'secret', 'A=1,secret', 'A="secret', 'A="x"secret');
    rejects(environmentList, quiet('letters, digits'), '1A=secret', 'A-B=secret', '=secret');
    rejects(environmentList, quiet('A is set twice'), 'A=secret,A=2');
    rejects(environmentList, quiet('bad escape'), 'A="\\secret"');
    rejects(environmentList, quiet('NUL'), 'A="\\u0000"');
  });
});
