import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { camelCase, findKey, KEYS } from '../../src/config/keys.ts';
import { keysTable } from '../../src/config/keys-table.ts';
import { suggest, suggestKey } from '../../src/config/suggest.ts';

describe('the table of keys', () => {
  it('has defaults that their own kinds accept', () => {
    for (const { name, kind, default: text } of KEYS) {
      if (text !== undefined) assert.doesNotThrow(() => kind.parse(text, '/'), name);
    }
  });

  it('has each key once, in a form that is found', () => {
    assert.equal(new Set(KEYS.map(({ name }) => name)).size, KEYS.length);
    for (const key of KEYS) assert.equal(findKey(key.name), key);
    assert.equal(findKey('constructor'), undefined);
    assert.equal(camelCase('max_requests_jitter'), 'maxRequestsJitter');
  });

  it('is documented as a Markdown table with a row for each key', () => {
    const lines = keysTable().split('\n');
    assert.equal(lines.length, KEYS.length + 2);
    for (const line of lines) assert.equal(line.split('|').length, 5, line);
    assert.ok(
      lines.includes('| `task_timeout` | `0` | How long one task may run; 0 is no limit. (duration) |'),
    );
    assert.match(keysTable(), /\| `proc_name` \| the section's name \|/);
  });
});

describe('a misspelt key', () => {
  it('is recognised by few wrong letters, or by separators alone', () => {
    for (const [written, meant] of [
      ['gracful_timeout', 'graceful_timeout'],
      ['gracefultimeout', 'graceful_timeout'],
      ['graceful-timeout', 'graceful_timeout'],
      ['number_worker', 'number_workers'],
      ['max_request', 'max_requests'],
      ['deamonize', 'daemonize'],
      ['pid_file', 'pidfile'],
      ['tim_eout', 'timeout'],
      ['ta_sk', 'task'],
    ] as const) {
      assert.equal(suggestKey(written), meant, written);
    }
  });

  it('is recognised in names of any case', () => {
    const names = ['gracefulTimeout', 'taskTimeout'];
    for (const written of ['graceful_timeout', 'gracefultimeout', 'gracfulTimeout', 'GRACEFUL_TIMEOT']) {
      assert.equal(suggest(written, names), 'gracefulTimeout', written);
    }
    assert.equal(suggest('timeout', names), undefined);
  });

  it('is not seen in the names that an application has for itself', () => {
    const own = [
      'name',
      'users',
      'tasks',
      'port',
      'hosts',
      'host',
      'nick',
      'mask',
      'tls',
      'database_url',
      'redis_url',
    ];
    for (const name of [
      ...own,
      'log_dir',
      'max_retries',
      'x',
      '',
      '_',
      '__proto__',
      'format',
      'work_dir',
      'tsk',
    ]) {
      assert.equal(suggestKey(name), undefined, name);
    }
  });
});
