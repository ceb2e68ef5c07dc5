import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { address, isLoopback } from '../../src/config/kinds/places.ts';
import { ConfigError } from '../../src/errors.ts';
import { checkExposure, checkServer } from '../../src/rpc/exposure.ts';
import { Token } from '../../src/rpc/token.ts';

test('a token is taken from a bearer header, and only the whole token is right', () => {
  const token = new Token('s3cret-ü');
  assert.ok(token.isIn('Bearer s3cret-ü'));
  assert.ok(token.isIn('bearer   s3cret-ü '));
  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer s3cret',
    'Bearer s3cret-üü',
    's3cret-ü',
  ]) {
    assert.ok(!token.isIn(header), header);
  }
  assert.ok(!token.isIn('Basic s3cret-ü'));
});

test('loopback is 127.0.0.0/8, ::1 and localhost', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', 'localhost', 'LOCALHOST']) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    '::2',
    'example.com',
    'localhost.example.com',
  ]) {
    assert.ok(!isLoopback(host), host);
  }
});

test('an address that others can reach needs a token, or that it is said to be public', () => {
  const check = (bind: string, keys: { rpcToken?: string; rpcPublic?: boolean } = {}) =>
    checkExposure({
      name: 'math',
      task: '/srv/math.ts',
      bind: [address.parse(bind, '/srv')],
      rpcToken: undefined,
      rpcPublic: false,
      ...keys,
    });
  for (const bind of ['127.0.0.1:80', '[::1]:80', 'localhost:80', 'unix:a.sock', 'fd://3']) check(bind);
  for (const bind of ['0.0.0.0:80', '[::]:80', '192.168.0.1:80', 'example.com:80']) {
    assert.throws(() => check(bind), ConfigError, bind);
    assert.throws(
      () => check(bind),
      /\[math\] bind: anyone who can reach .*: set rpc_token, or rpc_public = true/,
    );
    check(bind, { rpcToken: 'x' });
    check(bind, { rpcPublic: true });
  }
});

test('what an inherited socket is bound to shows once it listens', async t => {
  const config = {
    name: 'math',
    task: '/srv/math.ts',
    bind: undefined,
    rpcToken: undefined,
    rpcPublic: false,
  };
  for (const [host, isRefused] of [
    ['127.0.0.1', false],
    ['0.0.0.0', true],
  ] as const) {
    const server = createServer();
    t.after(() => server.close());
    await new Promise<void>(resolve => server.listen(0, host, resolve));
    if (isRefused) assert.throws(() => checkServer(config, server), ConfigError);
    else checkServer(config, server);
  }
});
