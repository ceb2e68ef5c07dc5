import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { InterpolationError, interpolate } from '../../src/config/interpolation.ts';
import { read } from './helpers.ts';

type Expected = string | { readonly error: string };

interface Case {
  readonly name: string;
  readonly ini: string;
  readonly expect: { readonly error?: string; readonly sections?: Record<string, Record<string, Expected>> };
}

const corpus = new URL('../fixtures/interpolation.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(corpus, 'utf8')) as { cases: Case[] };

describe("CPython's configparser agrees on", () => {
  for (const { name, ini, expect } of cases) {
    it(name, t => {
      const { texts, problems } = read(t, ini);
      if (expect.error !== undefined) {
        assert.ok(problems.some(({ message }) => message.includes(expect.error as string)));
        return;
      }
      const sections = Object.entries(expect.sections ?? {});
      assert.deepEqual([...texts.keys()].sort(), sections.map(([section]) => section).sort());
      for (const [section, values] of sections) {
        const good = Object.entries(values).filter(
          (entry): entry is [string, string] => typeof entry[1] === 'string',
        );
        assert.deepEqual(texts.get(section), new Map(good));
      }
      const failures = sections.flatMap(([section, values]) =>
        Object.entries(values).flatMap(([key, value]) =>
          typeof value === 'string' ? [] : `[${section}] ${key} ${value.error}`,
        ),
      );
      const found = problems
        .filter(({ code }) => code.startsWith('PH_ERR_CONFIG_INTERPOLATION_'))
        .map(({ section, key, message }) => `[${section}] ${key} ${message.split(':')[0]}`);
      assert.deepEqual(found.sort(), failures.sort());
    });
  }
});

describe('a reference', () => {
  const lookup =
    (values: Record<string, string>, literal = false) =>
    (key: string) => {
      const text = Object.hasOwn(values, key) ? values[key] : undefined;
      return text === undefined ? undefined : { text, literal };
    };

  it('to ENV_NAME reads the environment, whose text is not resolved again', () => {
    assert.equal(interpolate('%(ENV_Home)s/x', lookup({}), { Home: '/100%(a)s' }), '/100%(a)s/x');
  });

  it('to ENV_NAME prefers a key of that name', () => {
    assert.equal(interpolate('%(ENV_HOME)s', lookup({ env_home: 'key' }), { HOME: '/root' }), 'key');
  });

  it('to an environment variable that is not set names it', () => {
    assert.throws(() => interpolate('%(ENV_NOPE)s', lookup({}), {}), {
      code: 'PH_ERR_CONFIG_INTERPOLATION_MISSING',
      message: /InterpolationMissingOptionError.* NOPE /,
    });
    assert.throws(() => interpolate('%(ENV_constructor)s', lookup({}), {}), InterpolationError);
  });

  it('to the environment needs the prefix in upper case', () => {
    assert.throws(() => interpolate('%(env_HOME)s', lookup({}), { HOME: '/root' }), {
      code: 'PH_ERR_CONFIG_INTERPOLATION_MISSING',
    });
  });

  it('to a literal value inserts its percent signs as they are', () => {
    assert.equal(interpolate('%(a)s', lookup({ a: '%% %(b)s %' }, true), {}), '%% %(b)s %');
  });

  it('that breaks after a good one is still an error', () => {
    for (const text of ['%(a)s %', '%(a)s %(', '%()s', '%(a)', '%s', '%%%']) {
      assert.throws(
        () => interpolate(text, lookup({ a: '1' }), {}),
        { code: 'PH_ERR_CONFIG_INTERPOLATION_SYNTAX' },
        text,
      );
    }
  });

  it('that breaks does not show what may be a password', () => {
    assert.throws(() => interpolate('redis://:%secret@h', lookup({}), {}), {
      message: /^(?!.*secret).*not %s…$/,
    });
  });

  it('may be used any number of times on one level', () => {
    assert.equal(interpolate('%(a)s'.repeat(50), lookup({ a: '%%' }), {}), '%'.repeat(50));
  });
});
