import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isServerTrouble, reasonOf } from '../../src/queue/trouble.ts';

const withCode = (code: string, message = code) => Object.assign(new Error(message), { code });

test('what is the fault of the server, or of the way to it, passes by itself', () => {
  for (const error of [
    withCode('ECONNREFUSED'),
    withCode('ENOTFOUND'),
    withCode('57P01', 'terminating connection due to administrator command'),
    withCode('28P01', 'password authentication failed'),
    withCode('53300', 'sorry, too many clients already'),
    new Error('LOADING Redis is loading the dataset in memory'),
    new Error("OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:1."),
    new Error('Connection is closed.'),
    new Error('Connection terminated unexpectedly'),
    new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')]),
  ]) {
    assert.ok(isServerTrouble(error), error.message);
  }
});

test('what is the fault of a job does not', () => {
  for (const error of [
    withCode('22P05', 'unsupported Unicode escape sequence'),
    Object.assign(new Error('Missing lock for job 1. moveToFinished'), { code: -2 }),
    new TypeError('Do not know how to serialize a BigInt'),
    'a text',
  ]) {
    assert.ok(!isServerTrouble(error), String(error));
  }
});

test('a reason is one line without commands', () => {
  const error = Object.assign(new Error('WRONGPASS invalid\nmore'), { command: { args: ['s3cret'] } });
  assert.equal(reasonOf(error), 'WRONGPASS invalid');
  assert.equal(
    reasonOf(new AggregateError([withCode('ECONNREFUSED', 'connect ECONNREFUSED ::1')])),
    'connect ECONNREFUSED ::1',
  );
});
