import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '../../src/rpc/client.ts';

for (const address of ['127.0.0.1:8080', 'ftp://127.0.0.1', 'unix:', '']) {
  test(`${JSON.stringify(address)} is no address of an RPC server`, () => {
    assert.throws(() => createClient(address), {
      name: 'TypeError',
      message: `an RPC server is http://HOST:PORT, https://HOST or unix:PATH, not ${JSON.stringify(address)}`,
    });
  });
}

test('a payload that cannot be written as JSON rejects its call, and names the method', async () => {
  const client = createClient('http://127.0.0.1:1');
  await assert.rejects(client.call('fib', { n: 1n }), {
    name: 'TypeError',
    message: /^the payload of fib cannot be written as JSON: .*BigInt/,
  });
  await client.close();
});
