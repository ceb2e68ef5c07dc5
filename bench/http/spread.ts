/** How connections that are opened at the same moment spread over worker processes. */

import { Agent, request } from 'node:http';

/** How many of them each worker has, the one with the fewest first. */
export async function spread(port: number, connections: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const pids = await Promise.all(Array.from({ length: connections }, () => askPid(port, agent)));
  agent.destroy();
  const counts = new Map<number, number>();
  for (const pid of pids) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  return [...counts.values()].sort((a, b) => a - b);
}

async function askPid(port: number, agent: Agent): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', method: 'pid', id: 1 });
  const response = await new Promise<string>((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', agent, method: 'POST' }, async answer => {
      answer.setEncoding('utf8');
      let text = '';
      for await (const chunk of answer) text += chunk;
      resolve(text);
    });
    sent.on('error', reject).end(body);
  });
  return JSON.parse(response).result;
}
