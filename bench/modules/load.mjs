/** Runs autocannon as its argument says, and prints what came of it as JSON. */

import autocannon from 'autocannon';

const { port, connections, duration, path = '/', body, rate } = JSON.parse(process.argv[2]);
const result = await autocannon({
  url: `http://127.0.0.1:${port}${path}`,
  connections,
  duration,
  ...(rate && { overallRate: rate }),
  ...(body && { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
});
const figures = {
  rate: result['2xx'] / result.duration,
  p50: result.latency.p50,
  p99: result.latency.p99,
  failed: result.non2xx + result.errors + result.timeouts,
};
process.stdout.write(JSON.stringify(figures));
