import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseIni } from '../../src/config/ini.ts';
import { summary } from './helpers.ts';

function values(text: string): Record<string, Record<string, string>> {
  const { sections, problems } = parseIni(text, '/ph.ini');
  assert.deepEqual(problems, []);
  return Object.fromEntries(
    [...sections].map(([name, entries]) => [
      name,
      Object.fromEntries([...entries.values()].map(e => [e.key, e.raw])),
    ]),
  );
}

function problems(text: string): string[] {
  return summary(parseIni(text, '/ph.ini').problems);
}

describe('an ini file', () => {
  it('gives lower-case keys with the line that each stands in', () => {
    const { sections } = parseIni('[a]\n\n  Key Two = x\n', '/ph.ini');
    assert.deepEqual(sections.get('a')?.get('key two'), { key: 'key two', raw: 'x', line: 3 });
  });

  it('may begin with a byte order mark and end its lines with CRLF or CR', () => {
    assert.deepEqual(values('\uFEFF[a]\r\nx = 1\ry = 2\r\n'), { a: { x: '1', y: '2' } });
  });

  it('keeps section names as they are, white space, dots and brackets too', () => {
    assert.deepEqual(Object.keys(values('[ a ]\n[b.c] # note\n[d]]\n[e]]#]\n')), [
      ' a ',
      'b.c',
      'd]',
      'e]]#',
    ]);
  });

  it('treats # and ; as a comment after white space only', () => {
    assert.deepEqual(values('[a] ; one\n# two\nx = 1 # three\ny = p#q;r\nz=;s\nw = ;t\n'), {
      a: { x: '1', y: 'p#q;r', z: ';s', w: '' },
    });
  });

  it('merges a second [DEFAULT], as configparser does', () => {
    assert.deepEqual(values('[DEFAULT]\na = 1\n[x]\n[DEFAULT]\nb = 2\n'), {
      DEFAULT: { a: '1', b: '2' },
      x: {},
    });
    assert.deepEqual(problems('[DEFAULT]\na = 1\n[DEFAULT]\nA = 2\n'), ['DUPLICATE_KEY 4 [DEFAULT] a']);
  });

  it('takes lines of any indentation as long as none is deeper than the key above it', () => {
    assert.deepEqual(values('  [a]\n    x = 1\n\n# c\n    y = 2\n  z = 3\n'), {
      a: { x: '1', y: '2', z: '3' },
    });
  });
});

describe('quotes', () => {
  it('keep white space, # and ; of a value that is quoted as a whole', () => {
    assert.deepEqual(values('[a]\nx = "  a # b ; c\t "   # note\n'), { a: { x: '  a # b ; c\t ' } });
  });

  it('decode the escapes of JSON', () => {
    assert.deepEqual(values(String.raw`[a]${'\n'}x = "C:\\dir \"q\" \u0041\n"`), {
      a: { x: 'C:\\dir "q" A\n' },
    });
  });

  it('inside a value stay, and protect # and ; between them', () => {
    assert.deepEqual(values('[a]\nenvironment = A=1,B="x ; y" ; note\n'), {
      a: { environment: 'A=1,B="x ; y"' },
    });
    assert.deepEqual(values('[a]\nx = "a" b "c # d"\n'), { a: { x: '"a" b "c # d"' } });
  });

  it('are ordinary text where a single one stands inside a value, or where they are single quotes', () => {
    assert.deepEqual(values(`[a]\nx = 5" wide # note\ny = 'a b'\n`), { a: { x: '5" wide', y: `'a b'` } });
  });

  it('that are not closed or hold a bad escape are a problem that tells how to write a backslash', () => {
    const { problems } = parseIni('[a]\nx = "abc\ny = "C:\\dir"\nz = "C:\\"\n', '/ph.ini');
    assert.deepEqual(summary(problems), ['QUOTE 2 [a] x', 'QUOTE 3 [a] y', 'QUOTE 4 [a] z']);
    for (const { message } of problems) assert.match(message, /in quotes, write a backslash as \\\\/);
  });
});

describe('a bad line', () => {
  it('is reported with all others, in the words of configparser', () => {
    const text = 'x = 1\ny = 2\n[a]\nk = 1\nK = 2\ngarbage\n= 3\n[]\n[b\n[c] d\n[a]\nm = 1 # c\nn #= 2\n';
    const found = parseIni(text, '/ph.ini').problems;
    assert.deepEqual(summary(found), [
      'KEY_OUTSIDE_SECTION 1 x',
      'DUPLICATE_KEY 5 [a] k',
      'SYNTAX 6 [a]',
      'SYNTAX 7 [a]',
      'SECTION_NAME 8 [a]',
      'SECTION_NAME 9 [a]',
      'SECTION_NAME 10 [a]',
      'DUPLICATE_SECTION 11 [a]',
      'SYNTAX 13 [a]',
    ]);
    const words = found.map(({ message }) => /^\w+Error/.exec(message)?.[0]);
    assert.deepEqual(words, [
      'MissingSectionHeaderError',
      'DuplicateOptionError',
      ...Array(5).fill('ParsingError'),
      'DuplicateSectionError',
      'ParsingError',
    ]);
    assert.match(found[1]?.message ?? '', /line 4/);
    assert.match(found[7]?.message ?? '', /line 3/);
  });

  it('is one that configparser would read as a continuation of the value above', () => {
    assert.deepEqual(problems('[a]\nx = 1\n  y = 2\n\n  more\nz = 3\n  [b]\nw = 4\n'), [
      'INDENT 3 [a]',
      'INDENT 5 [a]',
      'INDENT 7 [a]',
    ]);
  });
});

describe('any text', () => {
  const fragment = fc.constantFrom(
    '[',
    ']',
    '=',
    '"',
    '\\',
    '#',
    ';',
    '%',
    ' ',
    '\t',
    '\n',
    '\r',
    'a',
    '[a]',
    '\uFEFF',
    'é',
  );
  it('gives a result, never an exception', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), text => void parseIni(text, '/ph.ini')));
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 60 }), parts => {
        const { sections, problems } = parseIni(parts.join(''), '/ph.ini');
        assert.ok(sections instanceof Map);
        for (const problem of problems) assert.match(problem.code, /^PH_ERR_CONFIG_[A-Z_]+$/);
      }),
      { numRuns: 2000 },
    );
  });
});
