/** A service with clients on it whose failures are counted, for tests of what must not fail a request. */

import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { addressesOf } from './clients.ts';
import { type LoadOptions, startLoad } from './load.ts';
import { deploy } from './upgrade.ts';

/** Takes up to 4 ms for an answer, so that some requests are always in hand. */
const service = `
import http from 'node:http';
import { Worker } from 'processhandler';

export default class extends Worker {
  async initProcess() {
    for (const listener of this.listeners) {
      const server = http.createServer((request, response) => {
        request.resume();
        request.on('end', () => setTimeout(() => response.end('done'), Math.random() * 4));
      });
      await this.serve(server, listener);
    }
  }
}
`;

export const keysUnderLoad = {
  number_workers: 2,
  bind: '127.0.0.1:0, unix:app.sock',
  max_restarts: 1_000_000,
  restart_delay: 0,
};

/** Two workers on a TCP and a Unix socket, and clients on both: with connections that are kept, and with one for each request. */
export async function startUnderLoad(t: TestContext) {
  const deployment = await deploy(t, keysUnderLoad, { 'app.mjs': service });
  const [address] = await addressesOf(deployment.ph);
  const tcp = { url: `http://${address}` };
  const unix = { url: 'http://localhost', socketPath: deployment.project.path('app.sock') };
  const clients: Record<string, LoadOptions> = {
    'TCP, keep-alive': { ...tcp, connections: 3, connection: 'keep-alive' },
    'TCP, a connection per request': { ...tcp, connections: 3, connection: 'close' },
    'Unix, keep-alive, POST': {
      ...unix,
      connections: 2,
      connection: 'keep-alive',
      method: 'POST',
      body: 'x'.repeat(10_000),
    },
    'Unix, a connection per request': { ...unix, connections: 2, connection: 'close' },
  };
  const loads = new Map(Object.entries(clients).map(([name, options]) => [name, startLoad(options)]));
  cleanUp(t, () => {
    for (const load of loads.values()) load.end();
  });
  return { ...deployment, loads };
}
