import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatSections } from '../../src/config/format.ts';
import { readConfiguration } from '../../src/config/load.ts';
import { plain, temporaryDirectory } from './helpers.ts';

type Texts = ReadonlyMap<string, ReadonlyMap<string, string>>;

describe('formatted sections', () => {
  it('quote only what needs it', () => {
    const texts: Texts = new Map([
      [
        'a',
        new Map([
          ['x', '50% # y'],
          ['y', 'p#q'],
          ['z', ''],
          ['w', 'a\nb'],
        ]),
      ],
      ['b', new Map()],
    ]);
    assert.equal(formatSections(texts), '[a]\nx = "50%% # y"\ny = p#q\nz =\nw = "a\\nb"\n\n[b]\n');
  });

  it('read back as exactly their texts', t => {
    const directory = temporaryDirectory(t);
    const file = join(directory, 'ph.ini');
    const awkward = fc.constantFrom(
      '%',
      '%(x)s',
      '#',
      ' ; ',
      '"',
      '\\',
      '\n',
      '\r',
      '\t',
      ' ',
      '=',
      '[',
      'é',
      '任',
      '__proto__',
      '\u2028',
    );
    const text = fc.oneof(
      fc
        .array(fc.oneof(awkward, fc.string({ unit: 'grapheme', maxLength: 3 })), { maxLength: 8 })
        .map(parts => parts.join('')),
      fc.constantFrom('true', 'null', '007', '"', '""', '"a', '"a" "b"', "'a'"),
    );
    const key = fc.oneof(
      fc.stringMatching(/^[a-z任_][a-z0-9_. \-\]"]{0,8}[a-z]$/),
      fc.constantFrom('__proto__', 'constructor'),
    );
    const name = fc.oneof(
      fc.stringMatching(/^[a-zA-Z任. \][:"=%\\/]{1,10}$/).filter(section => section !== 'DEFAULT'),
      fc.constantFrom('__proto__', 'constructor', 'default', 'a.b.c', ' x '),
    );
    const values = fc.uniqueArray(fc.tuple(key, text), { selector: ([written]) => written, maxLength: 5 });
    const sections = fc.uniqueArray(fc.tuple(name, values), {
      selector: ([section]) => section,
      maxLength: 4,
    });
    fc.assert(
      fc.property(sections, generated => {
        const texts: Texts = new Map(generated.map(([section, entries]) => [section, new Map(entries)]));
        writeFileSync(file, formatSections(texts));
        assert.deepEqual(plain(readConfiguration({ file, directory, env: {} }).texts), plain(texts));
      }),
      { numRuns: 1000 },
    );
  });
});
