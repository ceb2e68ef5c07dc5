/**
 * autocannon in a process of its own. It has two faults that matter here. It sends a request behind an answer that says
 * `Connection: close`, which HTTP forbids and nobody answers: it is kept from that. And it does not count a connection
 * that ends in the middle of a request: that is done here.
 */

import { createHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';

let counts;
let latencies;

function reset() {
  counts = { answered: 0, non2xx: 0, timeouts: 0, cut: 0, errors: {} };
  latencies = createHistogram();
}

function watchClient(client) {
  /** Of the connection that it has now. */
  let current;
  const { _connect: connect, _doRequest: send } = client;
  client._connect = function connectAndWatch() {
    const own = { isLast: false, sentAt: performance.now() };
    current = own;
    connect.call(this);
    this.conn.on('end', () => {
      if (!own.isLast) counts.cut++;
    });
    this.conn.on('error', ({ code, message }) => {
      counts.errors[code ?? message] = (counts.errors[code ?? message] ?? 0) + 1;
    });
  };
  client._doRequest = function sendIfAllowed() {
    if (current.isLast) return;
    current.sentAt = performance.now();
    send.call(this);
  };
  client.on('headers', ({ headers }) => {
    const at = headers.findIndex(text => /^connection$/i.test(text));
    current.isLast = at >= 0 && /close/i.test(headers[at + 1]);
  });
  client.on('response', status => {
    if (status >= 200 && status < 300) counts.answered++;
    else counts.non2xx++;
    latencies.record(Math.max(1, Math.round((performance.now() - current.sentAt) * 1000)));
  });
  client.on('timeout', () => counts.timeouts++);
}

reset();
autocannon({ ...JSON.parse(process.argv[2]), duration: 3600, setupClient: watchClient });
// Each message asks for what was counted since the last one.
process.on('message', () => {
  const inMilliseconds = microseconds => microseconds / 1000;
  const latency = {
    p50: inMilliseconds(latencies.percentile(50)),
    p99: inMilliseconds(latencies.percentile(99)),
    max: inMilliseconds(latencies.max),
  };
  process.send({ ...counts, latency });
  reset();
});
process.on('disconnect', () => process.exit());
