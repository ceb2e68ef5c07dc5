/**
 * Carries the context of a trace from the caller of a task to the thread that runs it: as W3C has it, or whatever else
 * the program's propagator of OpenTelemetry writes. Nothing of OpenTelemetry is loaded unless the program has set it up.
 */

import type { IncomingHttpHeaders } from 'node:http';

type Api = typeof import('@opentelemetry/api');

/** The fields that a propagator has written. */
type Carrier = Readonly<Record<string, string>>;

/** No trace goes with a task. */
export const noTrace = '';

/** Where every copy of the API looks for what the program has set up. */
const registry = Symbol.for('opentelemetry.js.api.1');
const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** A longer `tracestate` may be left out, says the standard. */
const longestState = 512;

let api: Api | undefined;
let isKnownMissing = false;

/** What is active where it is called, as text; `noTrace` where no span is. */
export function activeTrace(): string {
  const found = findApi();
  if (!found) return noTrace;
  const { context, propagation, trace, isSpanContextValid } = found;
  const active = context.active();
  const span = trace.getSpanContext(active);
  if (!span || !isSpanContextValid(span)) return noTrace;
  const carrier: Record<string, string> = {};
  propagation.inject(active, carrier);
  return Object.keys(carrier).length > 0 ? JSON.stringify(carrier) : noTrace;
}

/** What an HTTP request says of its trace, unless something is active: that is a part of it. */
export function traceOfRequest(headers: IncomingHttpHeaders): string {
  const active = activeTrace();
  if (active !== noTrace) return active;
  const parent = headers.traceparent;
  if (typeof parent !== 'string' || !traceparent.test(parent)) return noTrace;
  const state = headers.tracestate;
  const hasState = typeof state === 'string' && state.length <= longestState;
  return JSON.stringify({ traceparent: parent, ...(hasState && { tracestate: state }) });
}

/** Runs `run` as a part of the trace, where OpenTelemetry is set up. */
export function withinTrace<T>(trace: string, run: () => T): T {
  const found = trace === noTrace ? undefined : findApi();
  if (!found) return run();
  const { context, propagation, ROOT_CONTEXT } = found;
  return context.with(propagation.extract(ROOT_CONTEXT, readTrace(trace)), run);
}

export function readTrace(trace: string): Carrier {
  return trace === noTrace ? {} : JSON.parse(trace);
}

/** Looks for what a program may set up at any time once in each turn of the event loop: a task costs less than a look. */
function findApi(): Api | undefined {
  if (api || isKnownMissing) return api;
  if (registry in globalThis) {
    api = loadApi();
    // A program whose copy of the API cannot be found from here will not have another one later.
    isKnownMissing = api === undefined;
    return api;
  }
  isKnownMissing = true;
  process.nextTick(lookAgain);
  return undefined;
}

function lookAgain(): void {
  isKnownMissing = false;
}

function loadApi(): Api | undefined {
  try {
    // Not imported above: on Node 24 it costs each process some megabytes.
    const { createRequire } = process.getBuiltinModule('node:module');
    return createRequire(import.meta.url)('@opentelemetry/api');
  } catch {
    return undefined;
  }
}
