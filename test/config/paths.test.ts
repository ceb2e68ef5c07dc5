import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findConfiguration } from '../../src/config/find.ts';
import { readConfiguration } from '../../src/config/load.ts';
import { read, summary, temporaryDirectory } from './helpers.ts';

const JOB = '[job]\ntask = job.js\n';

describe('what a section names', () => {
  it('has to be a task module that is there', t => {
    const { problems, directory } = read(t, '[a]\ntask = none.js\n[b]\ntask = .\n');
    assert.deepEqual(summary(problems), ['TASK_MISSING 2 [a] task', 'TASK_MISSING 4 [b] task']);
    assert.match(problems[0]?.message ?? '', new RegExp(`${join(directory, 'none.js')} does not exist`));
    assert.match(problems[1]?.message ?? '', /is a directory/);
  });

  it('has to be a pidfile and a log_file whose directory is there', t => {
    const { problems } = read(t, `${JOB}pidfile = none/x.pid\nlog_file = job.js/x.log\n`);
    assert.deepEqual(summary(problems), ['PATH 3 [job] pidfile', 'PATH 4 [job] log_file']);
    assert.match(problems[0]?.message ?? '', /none does not exist/);
    assert.match(problems[1]?.message ?? '', /job\.js is not a directory/);
    assert.deepEqual(summary(read(t, `${JOB}pidfile = .\nlog_file = .\n`).problems), [
      'PATH 3 [job] pidfile',
      'PATH 4 [job] log_file',
    ]);
  });

  it('may be a device as the log_file', t => {
    assert.deepEqual(summary(read(t, `${JOB}log_file = /dev/null\n`).problems), []);
  });

  it('has to be writable', { skip: process.getuid?.() === 0 && 'root may write anywhere' }, t => {
    const directory = temporaryDirectory(t, {
      'ph.ini': `${JOB}pidfile = ro/x\nlog_file = ro/y\n`,
      'job.js': '',
    });
    mkdirSync(join(directory, 'ro'));
    chmodSync(join(directory, 'ro'), 0o555);
    const { problems } = readConfiguration({ file: join(directory, 'ph.ini'), directory, env: {} });
    assert.deepEqual(summary(problems), ['PATH 3 [job] pidfile', 'PATH 4 [job] log_file']);
  });

  it('has to be a base_path that is a directory and an env_file that can be read', t => {
    const { problems } = read(t, `${JOB}base_path = job.js\nenv_file = none\n`);
    assert.deepEqual(summary(problems), ['PATH 3 [job] base_path', 'PATH 4 [job] env_file']);
    assert.deepEqual(summary(read(t, `${JOB}env_file = .\n`).problems), ['PATH 3 [job] env_file']);
  });

  it('has to be a place where a Unix socket can be', t => {
    const place = (path: string) => read(t, `${JOB}bind = localhost:1, unix:${path}\n`).problems;
    assert.deepEqual(summary(place('none/x.sock')), ['PATH 3 [job] bind']);
    assert.match(place('none/x.sock')[0]?.message ?? '', /none does not exist/);
    assert.match(place('job.js')[0]?.message ?? '', /job\.js is there, and is no socket$/);
    assert.match(place('.')[0]?.message ?? '', /is there, and is no socket$/);
    const directory = temporaryDirectory(t);
    const longest = `${directory}/${'x'.repeat(107 - directory.length - 1)}`;
    assert.deepEqual(summary(place(longest)), []);
    assert.match(place(`${longest}x`)[0]?.message ?? '', /is too long for a socket: 108 bytes, and 107 is/);
    assert.match(place(`${longest.slice(0, -1)}é`)[0]?.message ?? '', /108 bytes/);
  });

  it('is not checked in sections that do not run', t => {
    assert.deepEqual(summary(read(t, `${JOB}[other]\ntask = none.js\n`, { sections: ['job'] }).problems), []);
  });
});

describe('ph.ini', () => {
  it('is the nearest one upwards that is a file', t => {
    const top = temporaryDirectory(t, { 'ph.ini': '' });
    const deep = join(top, 'a', 'b');
    mkdirSync(join(deep, 'ph.ini'), { recursive: true });
    assert.equal(findConfiguration(deep), join(top, 'ph.ini'));
    writeFileSync(join(top, 'a', 'ph.ini'), '');
    assert.equal(findConfiguration(deep), join(top, 'a', 'ph.ini'));
  });

  it('need not be anywhere', () => {
    assert.equal(findConfiguration('/'), undefined);
  });
});
