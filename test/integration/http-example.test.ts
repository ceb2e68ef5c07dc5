import assert from 'node:assert/strict';
import http from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { addressesOf } from '../helpers/clients.ts';
import { startPh } from '../helpers/ph.ts';
import { createProject, packageRoot } from '../helpers/project.ts';

/** `tasks/http.ts` on a free port. */
async function start(t: TestContext, ...args: string[]) {
  const { directory } = createProject(t, {});
  const bind = ['--set', 'bind=127.0.0.1:0'];
  const ph = startPh(t, ['run', join(packageRoot, 'tasks/http.ts'), ...bind, ...args], { cwd: directory });
  await ph.ready();
  const [address] = await addressesOf(ph);
  return { ph, url: `http://${address}` };
}

async function get(url: string) {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as { result?: number } };
}

test('tasks/http.ts: Fastify on the inherited socket, its CPU work on the threads', async t => {
  const { ph, url } = await start(t, '-t', '1');
  assert.deepEqual(await get(`${url}/primes/1000000`), {
    status: 200,
    body: { n: 1_000_000, result: 78_498 },
  });
  assert.deepEqual(await get(`${url}/fib/20`), { status: 200, body: { n: 20, result: 6765 } });
  assert.equal((await get(`${url}/primes/many`)).status, 400);
  assert.equal((await get(`${url}/fib/1000`)).status, 400);
  assert.equal((await get(`${url}/nowhere`)).status, 404);

  // A task that takes minutes, and whose client goes away.
  const impatient = http.get(`${url}/primes/50000000`).on('error', () => {});
  const { status, body } = await get(`${url}/health`);
  assert.deepEqual({ status, body }, { status: 200, body: { status: 'ok', worker: 1, pid: ph.workers[0] } });
  setTimeout(() => impatient.destroy(), 200);
  assert.equal((await get(`${url}/fib/1`)).body.result, 1, 'the only thread is free again');

  const last = get(`${url}/primes/3000000`);
  await get(`${url}/health`);
  assert.equal((await ph.stop()).code, 0);
  assert.deepEqual(await last, { status: 200, body: { n: 3_000_000, result: 216_816 } });
  assert.deepEqual(
    ph.records.filter(({ level }) => level >= 40),
    [],
  );
});
