import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import jayson from 'jayson/promise/index.js';
import { createClient, type RpcError } from 'processhandler';
import { connect } from '../helpers/clients.ts';
import { runPh } from '../helpers/ph.ts';
import { createProject } from '../helpers/project.ts';
import { abandon, call, methods, post, startRpc } from '../helpers/rpc.ts';

/** Requests and answers of https://www.jsonrpc.org/specification, section 7, as they stand there; undefined: nothing is returned. */
const examples: readonly (readonly [request: string, response: unknown])[] = [
  [
    `{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}`,
    { jsonrpc: '2.0', result: 19, id: 1 },
  ],
  [
    `{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}`,
    { jsonrpc: '2.0', result: -19, id: 2 },
  ],
  [
    `{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}`,
    { jsonrpc: '2.0', result: 19, id: 3 },
  ],
  [
    `{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}`,
    { jsonrpc: '2.0', result: 19, id: 4 },
  ],
  [`{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}`, undefined],
  [`{"jsonrpc": "2.0", "method": "foobar"}`, undefined],
  [
    `{"jsonrpc": "2.0", "method": "foobaz", "id": "1"}`,
    { jsonrpc: '2.0', error: { code: -32601, message: 'Method not found' }, id: '1' },
  ],
  [
    `{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]`,
    { jsonrpc: '2.0', error: { code: -32700, message: 'Parse error' }, id: null },
  ],
  [
    `{"jsonrpc": "2.0", "method": 1, "params": "bar"}`,
    { jsonrpc: '2.0', error: { code: -32600, message: 'Invalid Request' }, id: null },
  ],
  [
    `[
  {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
  {"jsonrpc": "2.0", "method"
]`,
    { jsonrpc: '2.0', error: { code: -32700, message: 'Parse error' }, id: null },
  ],
  [`[]`, { jsonrpc: '2.0', error: { code: -32600, message: 'Invalid Request' }, id: null }],
  [`[1]`, [{ jsonrpc: '2.0', error: { code: -32600, message: 'Invalid Request' }, id: null }]],
  [
    `[1,2,3]`,
    Array.from({ length: 3 }, () => ({
      jsonrpc: '2.0',
      error: { code: -32600, message: 'Invalid Request' },
      id: null,
    })),
  ],
  [
    `[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]`,
    [
      { jsonrpc: '2.0', result: 7, id: '1' },
      { jsonrpc: '2.0', result: 19, id: '2' },
      { jsonrpc: '2.0', error: { code: -32600, message: 'Invalid Request' }, id: null },
      { jsonrpc: '2.0', error: { code: -32601, message: 'Method not found' }, id: '5' },
      { jsonrpc: '2.0', result: ['hello', 5], id: '9' },
    ],
  ],
  [
    `[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
    ]`,
    undefined,
  ],
];

test('the examples of the specification are answered as it has them, and its ids and results of all kinds', async t => {
  const { url } = await startRpc(t);
  for (const [request, response] of examples) {
    const { status, body } = await post(url, request);
    assert.deepEqual(body, response, request);
    assert.equal(status, response === undefined ? 204 : 200, request);
  }
  for (const id of ['', 'x', 0, -1, 1.5, null]) {
    const { body } = await post(url, JSON.stringify({ jsonrpc: '2.0', method: 'sum', params: [1, 2], id }));
    assert.deepEqual(body, { jsonrpc: '2.0', result: 3, id });
  }
  for (const value of [null, true, 0, 1.5, 'text ü €', [1, [2]], { a: { b: [] } }]) {
    assert.deepEqual((await call(url, 'echo', [value])).result, value);
  }
  assert.equal((await call(url, 'update')).result, null);
});

test('what fails has a code and a message; stacks stay here unless they are asked for', async t => {
  const { url } = await startRpc(t, { task_timeout: '100ms' });
  const errorOf = async (method: string, params?: unknown) =>
    (await call(url, method, params)).error as { code: number; message: string; data?: unknown };
  assert.deepEqual(await errorOf('fail', {}), { code: -32000, message: 'out of reach' });
  assert.deepEqual(await errorOf('fail', { code: 7, data: { limit: 3 } }), {
    code: 7,
    message: 'out of reach',
    data: { limit: 3 },
  });
  assert.equal((await errorOf('loop')).code, -32001);
  assert.equal((await errorOf('unwritable')).code, -32603);
  assert.equal((await errorOf('rpc.nothing')).code, -32601);
  const open = await startRpc(t, { rpc_stacks: 'true' });
  const { error } = (await call(open.url, 'fail', {})) as { error: { data: { stack: string } } };
  assert.match(error.data.stack, /RangeError: out of reach\n\s+at .*app\.mjs/);
});

test("the calls of a batch spread over the threads, and their results come in the batch's order", async t => {
  const { url } = await startRpc(t);
  const batch = Array.from({ length: 40 }, (_, id) => ({ jsonrpc: '2.0', method: 'busy', params: [5], id }));
  const ids = ((await post(url, JSON.stringify(batch))).body as { id: number }[]).map(({ id }) => id);
  assert.deepEqual(
    ids,
    batch.map(({ id }) => id),
  );
  const where = batch.map(({ id }) => ({ jsonrpc: '2.0', method: 'where', params: [20], id }));
  const answers = (await post(url, JSON.stringify(where))).body as { result: number }[];
  assert.equal(new Set(answers.map(({ result }) => result)).size, 2);
});

test('jayson, a client that others wrote, over TCP and a Unix socket', async t => {
  const { url, socketPath } = await startRpc(t);
  const { hostname, port } = new URL(url);
  for (const options of [{ host: hostname, port: Number(port) }, { socketPath }]) {
    const client = jayson.Client.http(options);
    assert.equal((await client.request('subtract', [42, 23])).result, 19);
    assert.equal((await client.request('subtract', { minuend: 1, subtrahend: 2 }, 'id')).id, 'id');
    assert.equal((await client.request('none', [])).error.code, -32601);
    const batch = [
      client.request('sum', [1, 2], undefined, false),
      client.request('get_data', [], undefined, false),
    ];
    const answers = (await client.request(batch)) as { result: unknown }[];
    assert.deepEqual(
      answers.map(({ result }) => result),
      [3, ['hello', 5]],
    );
  }
});

test('the typed client: calls of one turn travel together, errors, aborts, time limits, notifications', async t => {
  type Module = {
    subtract: (_: { minuend: number; subtrahend: number }) => number;
    sum: (_: number[]) => number;
    fail: (_: object) => never;
    heed: () => Promise<void>;
    countAborted: () => number;
    update: () => void;
  };
  const { url, socketPath } = await startRpc(t, { threads: 1 });
  for (const server of [url, `unix:${socketPath}`]) {
    await using client = createClient<Module>(server);
    const sums = await Promise.all([1, 2, 3].map(n => client.sum([n, n])));
    assert.deepEqual(sums, [2, 4, 6]);
    assert.equal(await client.subtract({ minuend: 5, subtrahend: 3 }), 2);
    await client.notify('update');
    await assert.rejects(client.fail({ code: 12 }), (error: RpcError) => {
      assert.equal(error.name, 'RpcError');
      assert.match(error.message, /out of reach/);
      assert.match(error.stack as string, /rpc\.test\.ts/);
      return true;
    });
    const controller = new AbortController();
    const heeding = client.heed(undefined, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(heeding, { name: 'AbortError' });
    await assert.rejects(client.heed(undefined, { timeout: 50 }), { code: 'PH_ERR_RPC_TIMEOUT' });
    assert.equal(typeof (await client.countAborted()), 'number', 'its thread is free again');
  }
  await assert.rejects(createClient<Module>('http://127.0.0.1:1').sum([1]), {
    code: 'PH_ERR_RPC_CONNECTION',
  });
});

test('a client that goes away ends what runs for it', async t => {
  const { url } = await startRpc(t, { threads: 2 });
  const before = (await call(url, 'countAborted')).result as number;
  await Promise.all([abandon(url, 'heed'), abandon(url, 'heed')]);
  const countOnBoth = async () => {
    const batch = Array.from({ length: 20 }, (_, id) => ({ jsonrpc: '2.0', method: 'countAborted', id }));
    const answers = (await post(url, JSON.stringify(batch))).body as { result: number }[];
    return Math.max(...answers.map(({ result }) => result));
  };
  let count = before;
  for (const end = performance.now() + 10_000; count <= before && performance.now() < end; )
    count = await countOnBoth();
  assert.ok(count > before, `${count} were told`);
});

test('limits: body, batch, calls that wait, methods of HTTP, paths and media types', async t => {
  const { url } = await startRpc(t, { rpc_max_body: '2K', rpc_max_batch: 3, max_queue: 2, threads: 1 });
  const codeOf = ({ body }: { body: unknown }) => (body as { error: { code: number } }).error.code;
  const large = await post(
    url,
    JSON.stringify({ jsonrpc: '2.0', method: 'echo', params: ['x'.repeat(3000)], id: 1 }),
  );
  assert.deepEqual([large.status, codeOf(large)], [413, -32006]);
  const batch = Array.from({ length: 4 }, (_, id) => ({ jsonrpc: '2.0', method: 'sum', params: [1, 2], id }));
  assert.equal(codeOf(await post(url, JSON.stringify(batch))), -32600);
  assert.equal((await post(url, JSON.stringify(batch.slice(1)))).status, 200);

  const slow = JSON.stringify({ jsonrpc: '2.0', method: 'busy', params: [200], id: 1 });
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(url, slow)));
  const refused = answers.filter(({ status }) => status === 503);
  assert.ok(refused.length >= 4 && refused.length < 8, `${refused.length} of 8 were refused`);
  for (const answer of refused) {
    assert.equal(codeOf(answer), -32003);
    assert.ok(Number(answer.headers.get('Retry-After')) > 0);
  }
  const get = await fetch(url);
  assert.deepEqual([get.status, get.headers.get('Allow')], [405, 'POST']);
  assert.equal((await post(`${url}elsewhere`, '{}')).status, 404);
  assert.equal((await post(url, '{}', { 'Content-Type': 'image/png' })).status, 415);
  assert.deepEqual(await (await fetch(`${url}healthz`)).json(), { status: 'ok' });
});

test('a token keeps strangers out, and no address that others can reach is served without one', async t => {
  const { url } = await startRpc(t, { rpc_token: 'secret' });
  const request = JSON.stringify({ jsonrpc: '2.0', method: 'sum', params: [1, 2], id: 1 });
  const refused = await post(url, request);
  assert.deepEqual([refused.status, refused.headers.get('WWW-Authenticate')], [401, 'Bearer']);
  assert.equal((await post(url, request, { Authorization: 'Bearer secreT' })).status, 401);
  assert.equal((await post(url, request, { Authorization: 'Bearer secret' })).status, 200);
  await using client = createClient<{ sum: (_: number[]) => number }>(url, { token: 'secret' });
  assert.equal(await client.sum([2, 3]), 5);

  const { directory } = createProject(t, { 'app.mjs': methods });
  const open = ['run', 'app.mjs', '--bind', '0.0.0.0:0', '-t', '1'];
  const exit = await runPh(t, open, { cwd: directory });
  assert.equal(exit.code === 0, false);
  assert.match(exit.stderr, /rpc_token/);
  const page = await startRpc(t);
  assert.equal((await post(page.url, request, { Origin: 'http://example.org' })).status, 403);
});

test('RpcWorker: methods with state beside tasks, who may call, and hooks around each call', async t => {
  const module = `
    import { RpcWorker } from 'processhandler';
    export const double = n => 2 * n;
    export default class extends RpcWorker {
      #count = 0;
      methods() { return { ...super.methods(), twice: 'double', count: () => ++this.#count }; }
      authorize({ headers }) { return headers['x-user'] === 'me'; }
      beforeCall({ method }) { if (method === 'double') throw Object.assign(new Error('not today'), { code: 99 }); }
      afterCall({ method }) { this.logger.info('called ' + method); }
    }`;
  const { ph, url } = await startRpc(t, {}, module);
  const ask = (method: string, params?: unknown) =>
    post(url, JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }), { 'X-User': 'me' });
  assert.equal((await post(url, '{}')).status, 401);
  assert.deepEqual((await ask('count')).body, { jsonrpc: '2.0', result: 1, id: 1 });
  assert.deepEqual((await ask('count')).body, { jsonrpc: '2.0', result: 2, id: 1 });
  assert.deepEqual((await ask('twice', [4])).body, { jsonrpc: '2.0', result: 8, id: 1 });
  assert.deepEqual((await ask('double', [4])).body, {
    jsonrpc: '2.0',
    error: { code: 99, message: 'not today' },
    id: 1,
  });
  await ph.log('called twice');
  const { result } = (await ask('rpc.discover')).body as {
    result: { openrpc: string; methods: { name: string }[] };
  };
  assert.match(result.openrpc, /^1\./);
  assert.deepEqual(result.methods.map(({ name }) => name).sort(), ['count', 'double', 'twice']);
});

/** Bodies that are nearly calls: parts of them are replaced, left out, or cut. */
const fuzzed = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 200 }).map(text => Buffer.from(text)),
  fc.json().map(text => Buffer.from(text)),
  fc
    .array(
      fc.record(
        {
          jsonrpc: fc.oneof(fc.constant('2.0'), fc.anything()),
          method: fc.oneof(
            fc.constantFrom('echo', 'sum', 'fail', 'unwritable', '__proto__', 'constructor'),
            fc.anything(),
          ),
          params: fc.oneof(
            fc.array(fc.jsonValue()),
            fc.dictionary(fc.string(), fc.jsonValue()),
            fc.anything(),
          ),
          id: fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.anything()),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 4 },
    )
    .map(calls => Buffer.from(toText(calls.length === 1 ? calls[0] : calls))),
);

function toText(value: unknown): string {
  const text = (_: string, member: unknown) => (typeof member === 'bigint' ? String(member) : member);
  return JSON.stringify(value, text) ?? '';
}

test('whatever a body holds, the answer is one of the protocol, and no worker ends', async t => {
  const { ph, url } = await startRpc(t);
  const [pid] = ph.workers;
  await fc.assert(
    fc.asyncProperty(fuzzed, async bytes => {
      const { status, body } = await post(url, bytes);
      assert.ok(status === 200 || status === 204, `${status}`);
      if (status === 204) return assert.equal(body, undefined);
      for (const answer of Array.isArray(body) ? body : [body]) {
        assert.equal(answer.jsonrpc, '2.0');
        assert.ok('id' in answer);
        assert.notEqual('result' in answer, 'error' in answer);
        if ('error' in answer)
          assert.ok(Number.isInteger(answer.error.code) && typeof answer.error.message === 'string');
      }
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(ph.workers, [pid]);
  assert.equal((await call(url, 'sum', [1, 2])).result, 3);
});

test('clients that are slow, silent, cut off or do not read disturb nobody, and are ended', async t => {
  const { ph, url } = await startRpc(t, { rpc_request_timeout: '300ms' });
  const { host } = new URL(url);
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n';
  const slow = [connect(t, host).send('POST / HT'), connect(t, host).send(`${head}{"jsonrpc"`)];
  const idle = Array.from({ length: 200 }, () => connect(t, host));
  const cut = connect(t, host).send(`${head}{"json`);
  cut.socket.destroy();
  for (let n = 0; n < 50; n++) assert.equal((await call(url, 'sum', [n, 1])).result, n + 1);
  for (const client of slow) await client.ended;
  assert.equal((await call(url, 'sum', [1, 2])).result, 3);
  for (const client of idle) client.socket.destroy();
  assert.equal((await ph.stop()).code, 0);
});

test('a method that kills its process costs the calls that were with it; the next ones are answered', async t => {
  const { ph, url } = await startRpc(t);
  const mark = ph.records.length;
  await assert.rejects(call(url, 'crash'));
  await ph.nextReady(mark);
  assert.equal((await call(url, 'sum', [1, 2])).result, 3);
});
