import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { createPool } from 'processhandler';
import { cleanUp } from '../helpers/cleanup.ts';
import { startGroup } from '../helpers/group.ts';
import { createProject, packageRoot } from '../helpers/project.ts';
import { call, post } from '../helpers/rpc.ts';

/** Sets OpenTelemetry up, as a program would, in whatever thread imports it. */
const setUp = `
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
trace.setGlobalTracerProvider(new BasicTracerProvider());
`;

/** Tells of a span that the task begins, and of another one that it begins after it has waited. */
const traced = `
import { trace as spans } from '@opentelemetry/api';
import { setTimeout as delay } from 'node:timers/promises';
const begin = () => {
  const span = spans.getTracer('test').startSpan('work');
  return { traceId: span.spanContext().traceId, parent: span.parentSpanContext?.spanId ?? null };
};
export const work = async (ms, { traceparent, tracestate }) => {
  const first = begin();
  if (ms > 0) await delay(ms);
  return { first, second: begin(), traceparent, tracestate };
};
export const bare = (_, { traceparent, tracestate }) => ({ traceparent, tracestate });
`;

interface Seen {
  readonly first: { readonly traceId: string; readonly parent: string | null };
  readonly second: Seen['first'];
  readonly traceparent?: string;
  readonly tracestate?: string;
}

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** In this process, until the test ends. */
function setUpHere(t: TestContext) {
  const manager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(manager);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(new BasicTracerProvider());
  cleanUp(t, () => {
    for (const api of [context, propagation, trace]) api.disable();
  });
  return trace.getTracer('caller');
}

async function startTracedPool(t: TestContext) {
  const project = createProject(t, { 'tasks.mjs': setUp + traced });
  linkOpenTelemetry(project.directory);
  const pool = await createPool(project.path('tasks.mjs'), { processes: 1, threads: 2 });
  cleanUp(t, () => pool.destroy());
  return (name: string, payload: unknown) => pool.run(payload, { name }) as Promise<Seen>;
}

function linkOpenTelemetry(directory: string): void {
  symlinkSync(
    join(packageRoot, 'node_modules', '@opentelemetry'),
    join(directory, 'node_modules', '@opentelemetry'),
  );
}

test('a span that a task begins is a child of the one that was active where it was called', async t => {
  const run = await startTracedPool(t);
  const none = await run('work', 0);
  assert.equal(none.first.parent, null);
  assert.equal(none.traceparent, undefined, 'nothing was set up here');

  const tracer = setUpHere(t);
  assert.equal((await run('work', 0)).first.parent, null, 'no span is active');
  // Many at once, some of which go to a thread together.
  const seen = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      tracer.startActiveSpan(`call ${n}`, async span => ({
        caller: span.spanContext(),
        ...(await run('work', n % 50 === 0 ? 5 : 0)),
      })),
    ),
  );
  for (const { caller, first, second, traceparent } of seen) {
    const expected = { traceId: caller.traceId, parent: caller.spanId };
    assert.deepEqual([first, second], [expected, expected]);
    assert.equal(traceparent, `00-${caller.traceId}-${caller.spanId}-01`);
  }
  assert.equal(new Set(seen.map(({ caller }) => caller.spanId)).size, 200);
  assert.equal((await run('work', 0)).first.parent, null, 'what ran before leaves no trace');
});

test('the traceparent of a request reaches the thread, through hooks and this.pool too, with OpenTelemetry or without', async t => {
  const module = `${traced}
import { RpcWorker } from 'processhandler';
export default class extends RpcWorker {
  methods() { return { ...super.methods(), viaPool: ms => this.pool.run(ms, { name: 'work' }) }; }
}`;
  const keys = { bind: '127.0.0.1:0', threads: 1 };
  const without = await startGroup(t, traced, keys, undefined, linkOpenTelemetry);
  const bare = (headers: Record<string, string>) => ask(without.addresses[0], 'bare', headers);
  const tracestate = 'vendor=1';
  assert.deepEqual(await bare({ traceparent: parent, tracestate }), { traceparent: parent, tracestate });
  const wrong = [
    '',
    'nonsense',
    parent.replace('00-', 'ff-'),
    parent.replace(/-b7\w+/, `-${'0'.repeat(16)}`),
  ];
  for (const traceparent of wrong) assert.deepEqual(await bare({ traceparent, tracestate }), {}, traceparent);
  assert.deepEqual(await bare({ traceparent: parent, tracestate: 'x'.repeat(600) }), { traceparent: parent });

  const set = await startGroup(t, setUp + module, keys, undefined, linkOpenTelemetry);
  const [, traceId, spanId] = parent.split('-');
  for (const method of ['work', 'viaPool']) {
    const seen = (await ask(set.addresses[0], method, { traceparent: parent })) as unknown as Seen;
    const expected = { traceId, parent: spanId };
    assert.deepEqual([seen.first, seen.second], [expected, expected], method);
  }
  const { result } = await call(`http://${set.addresses[0]}/`, 'work', [0]);
  assert.equal((result as Seen).first.parent, null);
});

async function ask(address: string | undefined, method: string, headers: Record<string, string>) {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params: [0], id: 1 });
  const answer = await post(`http://${address}/`, body, headers);
  return (answer.body as { result: Record<string, unknown> }).result;
}
